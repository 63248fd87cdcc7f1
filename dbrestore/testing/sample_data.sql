-- About 100,000 rows, the same ones every time: all follows from the row's number.
-- public.returns stays empty.

INSERT INTO public.countries (code, name, vat_rate) VALUES
    ('AT', 'Österreich', 20.00),
    ('BR', 'Brasil', 17.00),
    ('CH', 'Schweiz', 8.10),
    ('CI', 'Côte d''Ivoire', 18.00),
    ('DE', 'Deutschland', 19.00),
    ('FR', 'France', 20.00),
    ('JP', '日本', 10.00),
    ('US', 'United States', 0.00);

INSERT INTO public.categories (parent_id, name)
SELECT nullif(i / 5, 0), 'Category ' || i FROM generate_series(1, 60) AS i;

INSERT INTO public."PaymentMethods" ("Id", "displayName", "isActive") VALUES
    (1, 'Credit card', true),
    (2, 'Bank transfer', true),
    (3, 'Invoice', true),
    (4, 'Cheque', false);

INSERT INTO staff.departments (name, budget) VALUES
    ('Sales', 1250000.50),
    ('Warehouse', 830000),
    ('Support', 412345.678901),
    ('Research & "Development"', NULL);

INSERT INTO staff.employees (department_id, manager_id, name, email, hired_on, salary, badge)
SELECT
    1 + i % 4,
    nullif(i / 10, 0),
    'Employee ' || i,
    'employee.' || i || '@example.com',
    date '2005-01-03' + i * 11,
    2500 + (i * 7919 % 500000) / 100.0,
    md5('badge ' || i)::uuid
FROM generate_series(1, 400) AS i;

INSERT INTO public.suppliers (country_code, name, rating)
SELECT
    (array['AT', 'BR', 'CH', 'CI', 'DE', 'FR', 'JP', 'US'])[1 + i % 8],
    'Supplier ' || i,
    CASE WHEN i % 9 > 0 THEN (i * 37 % 500) / 100.0 END
FROM generate_series(1, 90) AS i;

INSERT INTO public.customers (
    public_id, country_code, email, full_name, born_on,
    is_subscribed, preferences, registered_at, last_seen_at
)
SELECT
    md5('customer ' || i)::uuid,
    (array['AT', 'BR', 'CH', 'CI', 'DE', 'FR', 'JP', 'US'])[1 + i * 5 % 8],
    'customer' || i || '@example.org',
    (array['Ana Conceição', 'Jürgen Groß', 'O''Neil "Red" Smith', '山田 太郎', E'Tab\tCase'])[1 + i % 5]
        || ' ' || i,
    CASE WHEN i % 7 > 0 THEN date '1940-01-01' + i * 13 % 24000 END,
    i % 3 = 0,
    CASE WHEN i % 4 > 0 THEN
        jsonb_build_object('theme', (array['dark', 'light'])[1 + i % 2], 'page_size', i % 50, 'emoji', '🛒')
    END,
    timestamptz '2021-01-01 00:00:00+00' + i * interval '211 minutes 7.001003 seconds',
    CASE WHEN i % 6 > 0 THEN timestamp '2025-06-01 00:00:00' - i * interval '97 minutes' END
FROM generate_series(1, 8000) AS i;

INSERT INTO public.addresses (customer_id, country_code, street, city, latitude, longitude)
SELECT
    1 + (i - 1) % 8000,
    (array['AT', 'BR', 'CH', 'CI', 'DE', 'FR', 'JP', 'US'])[1 + i * 5 % 8],
    (i % 300 + 1) || ' Main Street',
    (array['Wien', 'São Paulo', 'Zürich', 'Abidjan', 'Berlin', 'Paris', '東京', 'Boston'])[1 + i * 5 % 8],
    CASE WHEN i % 10 > 0 THEN i % 179 - 89 + i / 99991.0 END,
    CASE WHEN i % 10 > 0 THEN i % 359 - 179 + i / 77773.0 END
FROM generate_series(1, 11000) AS i;

INSERT INTO public.products (
    category_id, supplier_id, sku, name, description, price, weight_kg, thumbnail, attributes
)
SELECT
    1 + i % 60,
    1 + i * 7 % 90,
    'SKU-' || lpad(i::text, 6, '0'),
    'Product ' || i,
    CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE repeat('Line ' || i || E' \\ of text\n', i % 9) END,
    (i * 7907 % 99999 + 1) / 100.0,
    CASE WHEN i % 8 > 0 THEN i % 977 / 13.0 END,
    CASE WHEN i % 3 > 0 THEN decode(repeat(md5('thumbnail ' || i), i % 12), 'hex') END,
    jsonb_build_object(
        'colour', (array['red', 'green', NULL])[1 + i % 3], 'sizes', jsonb_build_array(i % 3, i % 5)
    )
FROM generate_series(1, 3000) AS i;

INSERT INTO public.product_labels (product_id, tags, monthly_sales, price_history)
SELECT
    i,
    CASE
        WHEN i % 11 = 0 THEN '{}'
        ELSE array['tag ' || i % 17, 'with "quotes"', NULL, 'a,b', E'back\\slash']
    END,
    CASE WHEN i % 4 > 0 THEN array[i % 100, NULL, -i] END,
    array[i / 100.0, 0.00, i::numeric * 1000000007]
FROM generate_series(1, 3000) AS i;

INSERT INTO public.orders (customer_id, address_id, handled_by, status, placed_at, note)
SELECT
    1 + (i - 1) % 8000,
    1 + (i - 1) % 8000,
    CASE WHEN i % 5 > 0 THEN 1 + i * 3 % 400 END,
    (array['new', 'paid', 'sent', 'delivered', 'cancelled']::public.order_status[])[1 + i % 5],
    timestamptz '2023-01-01 00:00:00+00' + i * interval '71 minutes 0.25 seconds',
    CASE i % 20 WHEN 0 THEN 'Please ring twice' WHEN 1 THEN '' WHEN 2 THEN '\N' END
FROM generate_series(1, 18000) AS i;

INSERT INTO public.order_lines (order_id, line, product_id, quantity, unit_price, discount)
SELECT
    o,
    l,
    1 + (o * 31 + l * 17) % 3000,
    1 + (o + l) % 6,
    ((o * 13 + l) % 50000 + 1) / 100.0,
    CASE WHEN o % 12 = 0 THEN (o % 7) * 0.125 END
FROM generate_series(1, 18000) AS o
CROSS JOIN generate_series(1, 5) AS l
WHERE l <= 1 + o % 4;

INSERT INTO public.payments (id, order_id, "methodId", amount, paid_at, gateway_answer)
SELECT
    md5('payment ' || i)::uuid,
    i,
    1 + i % 4,
    (i * 104729 % 1000000 + 1) / 100.0,
    timestamptz '2023-01-01 00:00:00+00' + i * interval '71 minutes 30.125 seconds',
    CASE WHEN i % 3 > 0 THEN json_build_object('ok', true, 'reference', md5(i::text)) END
FROM generate_series(1, 18000) AS i
WHERE i % 5 > 0;
