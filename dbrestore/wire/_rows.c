/* Rows of COPY's formats, from the columns of an Arrow record batch, in one pass and without the GIL.
 *
 * Of the text format all columns are integers, or texts that have been checked. Of the binary format each column has a
 * kind, which says how a cell is written, and a parameter. What a kind does not know (a numeric of another form, an
 * infinity, a value that is too long) is nothing that is decided here: encode_rows then names the column, and the
 * encoders written in Python take it, or refuse it with all that an error has to say.
 *
 * Columns come through the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html); its
 * structures are declared below. The wire forms are those of the receive functions in PostgreSQL's src/backend/utils/adt.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

/* In the order of dbrestore.wire.cells.Kind. */
enum kind { PAYLOAD, PREFIXED, CHARACTERS, INTEGER, REAL, BOOLEAN, DAY, MICROSECOND, UUID, HEXADECIMAL, NUMERIC,
            DATE_TEXT, TIMESTAMP_TEXT, TIMESTAMPTZ_TEXT, KINDS,
            /* what some columns of these are taken for, as it is faster */
            FOUR_BYTES, EIGHT_BYTES, ENTRY,
            /* of the text format */
            LINE_TEXT, LINE_INTEGER };

#define ENTRY_BYTES 16  /* a cell of a dictionary's value with its length, where all of them fit */

struct column {
    enum kind kind;
    int parameter;
    int width;                /* of an integer of the batch, in bytes */
    int is_signed;
    int64_t first;            /* where the rows of the batch begin in the buffers */
    const uint8_t *validity;  /* NULL where no row is NULL */
    const void *values;
    const int32_t *offsets;   /* of texts, or of the values of a dictionary */
    const uint8_t *data;
    const int32_t *indices;   /* into a dictionary; NULL where there is none */
    int64_t distinct;         /* values of the dictionary */
    uint8_t *entries;         /* of the dictionary, ENTRY_BYTES each, if its values are so short */
    int has_escapes;          /* texts may have characters that the text format escapes */
};

static const int64_t DAY_MICROSECONDS = INT64_C(86400000000);
static const int32_t EPOCH_DAYS = 10957;  /* from 1970-01-01 to 2000-01-01 */
static const int64_t FIRST_DAY = -2451545, END_DAY = INT64_C(2147483494) - 2451545;  /* IS_VALID_DATE */
static const int MAX_NUMERIC_LENGTH = 1000;

static uint8_t hexadecimal[256];  /* the value of a digit, 0xFF for what is none */

static inline uint8_t *put16(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return out + 2;
}

static inline uint8_t *put32(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 24);
    out[1] = (uint8_t)(value >> 16);
    out[2] = (uint8_t)(value >> 8);
    out[3] = (uint8_t)value;
    return out + 4;
}

static inline uint8_t *put64(uint8_t *out, uint64_t value)
{
    return put32(put32(out, (uint32_t)(value >> 32)), (uint32_t)value);
}

static inline int is_digit(uint8_t character)
{
    return (uint8_t)(character - '0') <= 9;
}

/* Whether the text format has a backslash before a character, and what it has after that. */
static inline int is_escaped(uint8_t character)
{
    return (character == '\\') | (character == '\t') | (character == '\n') | (character == '\r');
}

static inline uint8_t escape_of(uint8_t character)
{
    return character == '\t' ? 't' : character == '\n' ? 'n' : character == '\r' ? 'r' : character;
}

static int64_t count_escaped(const uint8_t *text, int64_t length)
{
    int64_t count = 0;
    for (int64_t at = 0; at < length; at++)
        count += is_escaped(text[at]);
    return count;
}

static inline int is_valid(const uint8_t *validity, int64_t place)
{
    return validity == NULL || (validity[place >> 3] >> (place & 7) & 1);
}

/* As memcpy, which a call of would take longer than most texts do. */
static inline uint8_t *copy(uint8_t *out, const uint8_t *from, int32_t length)
{
    if (length > 32)
        memcpy(out, from, (size_t)length);
    else if (length >= 16) {
        memcpy(out, from, 16);
        memcpy(out + length - 16, from + length - 16, 16);
    }
    else if (length >= 8) {
        memcpy(out, from, 8);
        memcpy(out + length - 8, from + length - 8, 8);
    }
    else if (length >= 4) {
        memcpy(out, from, 4);
        memcpy(out + length - 4, from + length - 4, 4);
    }
    else
        for (int32_t at = 0; at < length; at++)
            out[at] = from[at];
    return out + length;
}

/* The functions below write one cell with its length and return where the next begins, or NULL for a value that they
 * do not know. */

static inline uint8_t *put_bytes(uint8_t *out, const uint8_t *bytes, int32_t length)
{
    return copy(put32(out, (uint32_t)length), bytes, length);
}

static uint8_t *put_prefixed(uint8_t *out, const uint8_t *bytes, int32_t length, int prefix)
{
    if (length == INT32_MAX)
        return NULL;
    out = put32(out, (uint32_t)length + 1);
    *out++ = (uint8_t)prefix;
    return copy(out, bytes, length);
}

/* A text of at most so many characters; what is too long in bytes may still not be too long. */
static uint8_t *put_characters(uint8_t *out, const uint8_t *text, int32_t length, int most)
{
    if (length > most) {
        int32_t characters = 0;
        for (int32_t at = 0; at < length; at++)
            characters += (text[at] & 0xC0) != 0x80;
        if (characters > most)
            return NULL;
    }
    return put_bytes(out, text, length);
}

/* What is below zero if signed is as large as it can be if not. */
static inline int64_t read_integer(const struct column *column, int64_t place)
{
    switch (column->width * 2 + column->is_signed) {
    case 3: return ((const int8_t *)column->values)[place];
    case 2: return ((const uint8_t *)column->values)[place];
    case 5: return ((const int16_t *)column->values)[place];
    case 4: return ((const uint16_t *)column->values)[place];
    case 9: return ((const int32_t *)column->values)[place];
    case 8: return ((const uint32_t *)column->values)[place];
    default: return ((const int64_t *)column->values)[place];
    }
}

static uint8_t *put_integer(uint8_t *out, const struct column *column, int64_t place)
{
    int64_t value = read_integer(column, place);
    if (value < 0 && !column->is_signed)
        return NULL;
    out = put32(out, (uint32_t)column->parameter);
    switch (column->parameter) {
    case 2: return value == (int16_t)value ? put16(out, (uint32_t)value) : NULL;
    case 4: return value == (int32_t)value ? put32(out, (uint32_t)value) : NULL;
    default: return put64(out, (uint64_t)value);
    }
}

static uint8_t *put_day(uint8_t *out, int32_t since_1970)
{
    int64_t day = (int64_t)since_1970 - EPOCH_DAYS;
    return FIRST_DAY <= day && day < END_DAY ? put32(put32(out, 4), (uint32_t)day) : NULL;
}

/* Microseconds that are whole to so many decimals of a second, or to any number of them where that is negative. */
static uint8_t *put_microseconds(uint8_t *out, int64_t since_2000, int decimals)
{
    static const int64_t units[] = {1000000, 100000, 10000, 1000, 100, 10};
    if (decimals >= 0 && decimals < 6 && since_2000 % units[decimals] != 0)
        return NULL;
    return put64(put32(out, 8), (uint64_t)since_2000);
}

static uint8_t *put_microsecond(uint8_t *out, int64_t since_1970, int decimals)
{
    int64_t first = (FIRST_DAY + EPOCH_DAYS) * DAY_MICROSECONDS;
    return since_1970 < first ? NULL : put_microseconds(out, since_1970 - EPOCH_DAYS * DAY_MICROSECONDS, decimals);
}

/* Two digits for each byte; returns whether all of them are digits. */
static inline int put_digits(uint8_t *out, const uint8_t *text, int bytes)
{
    uint8_t wrong = 0;
    for (int at = 0; at < bytes; at++) {
        uint8_t high = hexadecimal[text[2 * at]], low = hexadecimal[text[2 * at + 1]];
        wrong |= high | low;
        out[at] = (uint8_t)(high << 4 | low);
    }
    return (wrong & 0xF0) == 0;
}

/* Four bytes here and four there as one word, the first of them lowest. */
static inline uint64_t read_word(const uint8_t *here, const uint8_t *there)
{
    uint32_t low = here[0] | (uint32_t)here[1] << 8 | (uint32_t)here[2] << 16 | (uint32_t)here[3] << 24;
    uint32_t high = there[0] | (uint32_t)there[1] << 8 | (uint32_t)there[2] << 16 | (uint32_t)there[3] << 24;
    return low | (uint64_t)high << 32;
}

/* A bit at the top of each byte that is at least `least`; for bytes below 0x80. */
static inline uint64_t at_least(uint64_t bytes, uint8_t least)
{
    return bytes + (0x80 - least) * UINT64_C(0x0101010101010101);
}

/* The four bytes of eight digits that are the bytes of a word, all at once; returns where the tops of bytes are set
 * that are none. */
static inline uint64_t put_word(uint8_t *out, uint64_t text)
{
    const uint64_t tops = UINT64_C(0x8080808080808080), ones = UINT64_C(0x0101010101010101);
    uint64_t ascii = text & ~tops, lower = ascii | ones * 0x20;
    uint64_t are_digits = at_least(ascii, '0') & ~at_least(ascii, '9' + 1);
    uint64_t are_letters = at_least(lower, 'a') & ~at_least(lower, 'f' + 1);
    uint64_t values = (ascii & ones * 0x0F) + 9 * (ascii >> 6 & ones);
    values = (values << 4 | values >> 8) & UINT64_C(0x00FF00FF00FF00FF);
    values = (values | values >> 8) & UINT64_C(0x0000FFFF0000FFFF);
    values |= values >> 16;
    for (int at = 0; at < 4; at++)
        out[at] = (uint8_t)(values >> 8 * at);
    return (text | ~(are_digits | are_letters)) & tops;
}

static uint8_t *put_uuid(uint8_t *out, const uint8_t *text, int32_t length)
{
    if (length != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return NULL;
    out = put32(out, 16);
    uint64_t wrong = put_word(out, read_word(text, text + 4)) | put_word(out + 4, read_word(text + 9, text + 14))
                     | put_word(out + 8, read_word(text + 19, text + 24))
                     | put_word(out + 12, read_word(text + 28, text + 32));
    return wrong == 0 ? out + 16 : NULL;
}

static uint8_t *put_hexadecimal(uint8_t *out, const uint8_t *text, int32_t length)
{
    out = put32(out, (uint32_t)length / 2);
    return length % 2 == 0 && put_digits(out, text, length / 2) ? out + length / 2 : NULL;
}

static inline int is_word(const uint8_t *text, int32_t length, const char *word)
{
    return length == (int32_t)strlen(word) && memcmp(text, word, (size_t)length) == 0;
}

/* NUMERIC_NAN, NUMERIC_PINF, NUMERIC_NINF */
static uint8_t *put_special_numeric(uint8_t *out, const uint8_t *text, int32_t length)
{
    uint32_t sign = is_word(text, length, "NaN") ? 0xC000 : is_word(text, length, "Infinity") ? 0xD000
                    : is_word(text, length, "-Infinity") ? 0xF000 : 0;
    return sign == 0 ? NULL : put16(put16(put32(put32(out, 8), 0), sign), 0);
}

/* Base-10000 digits on their way out. */
struct digits {
    uint8_t *out;
    int left_out;  /* zeros before the first that is none */
    int count;
    int used;      /* without the zeros behind the last that is none */
};

static inline void put_digit(struct digits *digits, uint32_t digit)
{
    if (digits->count == 0 && digit == 0) {
        digits->left_out++;
        return;
    }
    digits->out = put16(digits->out, digit);
    digits->count++;
    if (digit)
        digits->used = digits->count;
}

/* Decimal digits with an optional sign and point, in the form that numeric_send gives them: base-10000 digits without
 * zeros at either end. */
static uint8_t *put_numeric(uint8_t *out, const uint8_t *text, int32_t length, int max_scale)
{
    const uint8_t *end = text + length, *point;
    int is_negative = length > 0 && *text == '-';
    text += is_negative;
    for (point = text; point < end && is_digit(*point); point++)
        ;
    const uint8_t *fraction = point;
    if (point < end && *point == '.' && ++fraction == end)
        return NULL;
    int32_t whole = (int32_t)(point - text), scale = (int32_t)(end - fraction);
    if (whole == 0)
        return put_special_numeric(out, text - is_negative, length);
    if (length > MAX_NUMERIC_LENGTH || scale > max_scale)
        return NULL;
    for (const uint8_t *at = fraction; at < end; at++)
        if (!is_digit(*at))
            return NULL;

    uint8_t *head = out;
    struct digits digits = {out + 12, 0, 0, 0};
    for (uint32_t digit = 0; text < point; ) {
        digit = digit * 10 + (uint32_t)(*text++ - '0');
        if ((point - text) % 4 == 0) {
            put_digit(&digits, digit);
            digit = 0;
        }
    }
    for (int32_t at = 0; at < scale; at += 4) {
        uint32_t digit = 0;
        for (int32_t place = at; place < at + 4; place++)
            digit = digit * 10 + (place < scale ? (uint32_t)(fraction[place] - '0') : 0);
        put_digit(&digits, digit);
    }
    int used = digits.used, weight = used == 0 ? 0 : (whole + 3) / 4 - 1 - digits.left_out;
    is_negative &= used != 0;
    head = put32(head, (uint32_t)(8 + 2 * used));
    head = put16(head, (uint32_t)used);
    head = put16(head, (uint32_t)weight);
    head = put16(head, is_negative ? 0x4000 : 0);
    head = put16(head, (uint32_t)scale);
    return head + 2 * used;
}

/* A number of two digits, or something above 99 where they are none. */
static inline uint32_t two_digits(const uint8_t *text)
{
    uint32_t tens = (uint32_t)text[0] - '0', ones = (uint32_t)text[1] - '0';
    return tens > 9 || ones > 9 ? 1000 : tens * 10 + ones;
}

/* Days since 2000-01-01 of YYYY-MM-DD, or INT32_MIN where that is no day of the years 1 to 9999. */
static int32_t read_day(const uint8_t *text)
{
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    static const uint16_t days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint32_t century = two_digits(text), rest = two_digits(text + 2), month = two_digits(text + 5) - 1;
    uint32_t day = two_digits(text + 8) - 1;
    if (century > 99 || rest > 99 || text[4] != '-' || text[7] != '-' || month > 11)
        return INT32_MIN;
    int32_t year = (int32_t)(century * 100 + rest), before = year - 1;
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year == 0 || day >= (uint32_t)(month_days[month] + (month == 1 && is_leap)))
        return INT32_MIN;
    int32_t days = 365 * before + before / 4 - before / 100 + before / 400;
    return days + days_before[month] + (month > 1 && is_leap) + (int32_t)day - 730119;
}

/* The largest and the smallest value, DT_NOEND and DT_NOBEGIN. */
static uint8_t *put_infinity(uint8_t *out, const uint8_t *text, int32_t length, int width)
{
    int is_end = is_word(text, length, "infinity");
    if (!is_end && !is_word(text, length, "-infinity"))
        return NULL;
    out = put32(out, (uint32_t)width);
    out = put32(out, is_end ? INT32_MAX : UINT32_C(1) << 31);
    return width == 4 ? out : put32(out, is_end ? UINT32_MAX : 0);
}

static uint8_t *put_date_text(uint8_t *out, const uint8_t *text, int32_t length)
{
    if (length != 10)
        return put_infinity(out, text, length, 4);
    int32_t day = read_day(text);
    return day == INT32_MIN ? NULL : put32(put32(out, 4), (uint32_t)day);
}

/* Seconds of +HH, +HH:MM or +HHMM, or INT32_MIN where the text is no such offset. */
static int32_t read_offset(const uint8_t *text, int32_t length)
{
    int has_colon = length == 6;
    if ((length != 3 && length != 5 && length != 6) || (text[0] != '+' && text[0] != '-')
        || (has_colon && text[3] != ':'))
        return INT32_MIN;
    uint32_t hours = two_digits(text + 1), minutes = length == 3 ? 0 : two_digits(text + 3 + has_colon);
    if (hours > 23 || minutes > 59)
        return INT32_MIN;
    int32_t seconds = (int32_t)(hours * 3600 + minutes * 60);
    return text[0] == '-' ? -seconds : seconds;
}

static const uint32_t powers_of_ten[] = {1, 10, 100, 1000, 10000, 100000};

/* YYYY-MM-DD HH:MM:SS with up to six decimals; with an offset if has_offset, else without. */
static uint8_t *put_timestamp_text(uint8_t *out, const uint8_t *text, int32_t length, int decimals, int has_offset)
{
    if (length < 19)
        return put_infinity(out, text, length, 8);
    if (text[10] != ' ' || text[13] != ':' || text[16] != ':')
        return NULL;
    int32_t day = read_day(text), offset = 0, at = 19;
    uint32_t hours = two_digits(text + 11), minutes = two_digits(text + 14), seconds = two_digits(text + 17);
    if (day == INT32_MIN || hours > 23 || minutes > 59 || seconds > 59)
        return NULL;
    uint32_t micros = 0;
    if (at < length && text[at] == '.') {
        int32_t first = ++at;
        for (; at < length && at < first + 6 && is_digit(text[at]); at++)
            micros = micros * 10 + (uint32_t)(text[at] - '0');
        if (at == first)
            return NULL;
        micros *= powers_of_ten[6 - (at - first)];
    }
    if (has_offset)
        offset = read_offset(text + at, length - at);
    else if (at != length)
        return NULL;
    if (offset == INT32_MIN)
        return NULL;
    int64_t second = (int64_t)day * 86400 + hours * 3600 + minutes * 60 + seconds - offset;
    return put_microseconds(out, second * 1000000 + micros, decimals);
}

static inline uint8_t *put_text(uint8_t *out, const struct column *column, const uint8_t *text, int32_t length)
{
    switch (column->kind) {
    case PREFIXED: return put_prefixed(out, text, length, column->parameter);
    case CHARACTERS: return put_characters(out, text, length, column->parameter);
    case UUID: return put_uuid(out, text, length);
    case HEXADECIMAL: return put_hexadecimal(out, text, length);
    case NUMERIC: return put_numeric(out, text, length, column->parameter);
    case DATE_TEXT: return put_date_text(out, text, length);
    case TIMESTAMP_TEXT: return put_timestamp_text(out, text, length, column->parameter, 0);
    case TIMESTAMPTZ_TEXT: return put_timestamp_text(out, text, length, column->parameter, 1);
    default: return put_bytes(out, text, length);
    }
}

static inline uint8_t *put_cell(uint8_t *out, const struct column *column, int64_t row)
{
    int64_t place = column->first + row;
    if (!is_valid(column->validity, place))
        return put32(out, UINT32_MAX);
    switch (column->kind) {
    case FOUR_BYTES: return put32(put32(out, 4), ((const uint32_t *)column->values)[place]);
    case EIGHT_BYTES: return put64(put32(out, 8), ((const uint64_t *)column->values)[place]);
    case ENTRY: {
        const uint8_t *entry = column->entries + (size_t)column->indices[place] * ENTRY_BYTES;
        memcpy(out, entry, ENTRY_BYTES);
        return out + 4 + entry[3];
    }
    case INTEGER: return put_integer(out, column, place);
    case BOOLEAN:
        out = put32(out, 1);
        *out = is_valid(column->values, place);
        return out + 1;
    case DAY: return put_day(out, ((const int32_t *)column->values)[place]);
    case MICROSECOND: return put_microsecond(out, ((const int64_t *)column->values)[place], column->parameter);
    default: {
        int64_t value = column->indices == NULL ? place : column->indices[place];
        int32_t start = column->offsets[value];
        return put_text(out, column, column->data + start, column->offsets[value + 1] - start);
    }
    }
}

/* Writes the rows; the number of the column that has a value which is not known, or -1. */
static int put_rows(const struct column *columns, int count, int64_t rows, uint8_t **out)
{
    uint8_t *at = *out;
    for (int64_t row = 0; row < rows; row++) {
        at = put16(at, (uint32_t)count);
        for (int number = 0; number < count; number++) {
            at = put_cell(at, &columns[number], row);
            if (at == NULL)
                return number;
        }
    }
    *out = at;
    return -1;
}

static uint8_t *put_decimal(uint8_t *out, int64_t value, int is_signed)
{
    uint8_t digits[20], *first = digits + sizeof digits;
    int is_negative = is_signed && value < 0;
    uint64_t left = is_negative ? -(uint64_t)value : (uint64_t)value;
    do
        *--first = (uint8_t)('0' + left % 10);
    while (left /= 10);
    if (is_negative)
        *out++ = '-';
    return copy(out, first, (int32_t)(digits + sizeof digits - first));
}

static inline uint8_t *put_line_cell(uint8_t *out, const struct column *column, int64_t row)
{
    int64_t place = column->first + row;
    if (!is_valid(column->validity, place)) {
        *out++ = '\\';
        *out++ = 'N';
        return out;
    }
    if (column->kind == LINE_INTEGER)
        return put_decimal(out, read_integer(column, place), column->is_signed);
    int64_t value = column->indices == NULL ? place : column->indices[place];
    const uint8_t *text = column->data + column->offsets[value], *end = column->data + column->offsets[value + 1];
    if (!column->has_escapes)
        return copy(out, text, (int32_t)(end - text));
    for (; text < end; text++) {
        int is_special = is_escaped(*text);
        *out = '\\';
        out += is_special;
        *out++ = is_special ? escape_of(*text) : *text;
    }
    return out;
}

/* Lines of the text format: a tab between fields, a newline after each row. */
static uint8_t *put_lines(const struct column *columns, int count, int64_t rows, uint8_t *out)
{
    for (int64_t row = 0; row < rows; row++)
        for (int number = 0; number < count; number++) {
            out = put_line_cell(out, &columns[number], row);
            *out++ = number + 1 < count ? '\t' : '\n';
        }
    return out;
}

/* Bytes that a column takes in lines at the most; looks for what has to be escaped. */
static int64_t most_line_bytes(struct column *column, int64_t rows)
{
    int64_t bytes = 0, first = column->indices == NULL ? column->first : 0;
    int64_t values = column->indices == NULL ? rows : column->distinct;
    if (column->kind == LINE_INTEGER)
        return rows * 21;  /* the longest, and what follows it */
    if (column->offsets != NULL) {
        int64_t start = column->offsets[first], end = column->offsets[first + values];
        int64_t escaped = count_escaped(column->data + start, end - start);
        column->has_escapes = escaped > 0;
        bytes = end - start + escaped;
    }
    if (column->indices != NULL) {
        bytes = 0;
        for (int64_t row = 0; row < rows; row++)
            if (is_valid(column->validity, column->first + row)) {
                int32_t value = column->indices[column->first + row];
                bytes += column->offsets[value + 1] - column->offsets[value];
            }
        bytes *= column->has_escapes ? 2 : 1;
    }
    return bytes + rows * 3;  /* a NULL and what follows it */
}

/* Bytes that the cells of a column take at the most. */
static int64_t most_bytes(const struct column *column, int64_t rows)
{
    int64_t bytes = 0;
    switch (column->kind) {
    case FOUR_BYTES: return rows * 8;
    case EIGHT_BYTES: return rows * 12;
    case INTEGER: return rows * (4 + column->parameter);
    case ENTRY: return rows * ENTRY_BYTES;
    case BOOLEAN: return rows * 5;
    case DAY: case DATE_TEXT: return rows * 8;
    case MICROSECOND: case TIMESTAMP_TEXT: case TIMESTAMPTZ_TEXT: return rows * 12;
    case UUID: return rows * 20;
    default: break;
    }
    if (column->indices == NULL)
        bytes = column->offsets == NULL ? 0 : column->offsets[column->first + rows] - column->offsets[column->first];
    else
        for (int64_t row = 0; row < rows; row++)
            if (is_valid(column->validity, column->first + row)) {
                int32_t value = column->indices[column->first + row];
                bytes += column->offsets[value + 1] - column->offsets[value];
            }
    /* numeric: a head of 8 bytes, and half as many bytes as digits, filled up before and behind the point */
    return column->kind == NUMERIC ? rows * 16 + bytes / 2 : rows * 5 + bytes;
}

static int refer_to_dictionary(struct column *column, const struct ArrowArray *array, int64_t rows)
{
    int64_t size = column->distinct = array->dictionary->length;
    column->indices = array->buffers[1];
    for (int64_t row = 0; row < rows; row++) {
        int64_t place = column->first + row;
        if (is_valid(column->validity, place) && (column->indices[place] < 0 || column->indices[place] >= size))
            return 0;
    }
    return 1;
}

/* Cells of a dictionary's values, where these are short and fewer than rows. No memory for them does not matter. */
static void make_entries(struct column *column, int64_t values, int64_t rows)
{
    if (column->kind != PAYLOAD || values > rows)
        return;
    for (int64_t value = 0; value < values; value++)
        if (column->offsets[value + 1] - column->offsets[value] > ENTRY_BYTES - 4)
            return;
    column->entries = malloc((size_t)values * ENTRY_BYTES + 1);
    if (column->entries == NULL)
        return;
    column->kind = ENTRY;
    for (int64_t value = 0; value < values; value++) {
        int32_t start = column->offsets[value];
        put_bytes(column->entries + value * ENTRY_BYTES, column->data + start, column->offsets[value + 1] - start);
    }
}

/* `first` is the place of the first value. */
static int read_texts(struct column *column, const struct ArrowArray *array, int64_t first)
{
    if (array->n_buffers != 3 || (array->length && array->buffers[1] == NULL))
        return 0;
    column->offsets = array->buffers[1] == NULL ? NULL : (const int32_t *)array->buffers[1] + first;
    column->data = array->buffers[2];
    return 1;
}

static int read_text_column(struct column *column, const struct ArrowSchema *schema, const struct ArrowArray *array,
                            int64_t rows)
{
    int is_dictionary = schema->dictionary != NULL;
    const char *format = is_dictionary ? schema->dictionary->format : schema->format;
    if (strcmp(format, "u") != 0 && strcmp(format, "z") != 0)
        return 0;
    if (!is_dictionary)
        return read_texts(column, array, 0);
    if (strcmp(schema->format, "i") != 0 || array->dictionary == NULL || array->n_buffers != 2
        || array->dictionary->null_count != 0)
        return 0;
    if (!refer_to_dictionary(column, array, rows)
        || !read_texts(column, array->dictionary, array->dictionary->offset))
        return 0;
    make_entries(column, array->dictionary->length, rows);
    return 1;
}

static int read_integer_form(struct column *column, const char *format)
{
    static const char integers[] = "CcSsIiLl";  /* twice the logarithm of the width, and one if signed */
    const char *found = strlen(format) == 1 ? strchr(integers, *format) : NULL;
    if (found == NULL)
        return 0;
    column->width = 1 << (found - integers) / 2;
    column->is_signed = (found - integers) % 2;
    return 1;
}

/* Whether the buffers are of a form that the column's kind takes. */
static int read_column(struct column *column, const struct ArrowSchema *schema, const struct ArrowArray *array,
                       int64_t rows)
{
    const char *format = schema->format;
    if (array->n_buffers < 2 || array->length < rows)
        return 0;
    column->validity = array->null_count == 0 ? NULL : array->buffers[0];
    column->values = array->buffers[1];
    switch (column->kind) {
    case INTEGER:
        if (schema->dictionary != NULL || !read_integer_form(column, format))
            return 0;
        if (column->is_signed && column->width == column->parameter && column->width >= 4)
            column->kind = column->width == 4 ? FOUR_BYTES : EIGHT_BYTES;
        return column->parameter == 2 || column->parameter == 4 || column->parameter == 8;
    case REAL:
        column->kind = *format == 'f' ? FOUR_BYTES : EIGHT_BYTES;
        return strcmp(format, "f") == 0 || strcmp(format, "g") == 0;
    case BOOLEAN: return strcmp(format, "b") == 0;
    case DAY: return strcmp(format, "tdD") == 0;
    case MICROSECOND: return strncmp(format, "tsu:", 4) == 0;
    case LINE_TEXT:
        if (schema->dictionary == NULL && read_integer_form(column, format)) {
            column->kind = LINE_INTEGER;
            return 1;
        }
        return read_text_column(column, schema, array, rows);
    default: return read_text_column(column, schema, array, rows);
    }
}

/* `kinds` is NULL for the text format. */
static int read_columns(struct column *columns, const int32_t *kinds, const struct ArrowSchema *schema,
                        const struct ArrowArray *batch)
{
    for (int64_t number = 0; number < batch->n_children; number++) {
        const struct ArrowArray *array = batch->children[number];
        struct column *column = &columns[number];
        if (kinds != NULL && (kinds[2 * number] < 0 || kinds[2 * number] >= KINDS))
            return 0;
        column->kind = kinds == NULL ? LINE_TEXT : (enum kind)kinds[2 * number];
        column->parameter = kinds == NULL ? 0 : kinds[2 * number + 1];
        column->first = batch->offset + array->offset;
        if (!read_column(column, schema->children[number], array, batch->length))
            return 0;
    }
    return 1;
}

/* The rows as bytes and how many of these are in use, or as an int the column that has a value which is not known. */
static PyObject *rows_of(const struct column *columns, int count, int64_t rows)
{
    int64_t most = rows * 2 + ENTRY_BYTES;  /* of the last entry more may be written than counts */
    int unknown;
    for (int number = 0; number < count; number++)
        most += most_bytes(&columns[number], rows);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)most);
    if (bytes == NULL)
        return NULL;
    uint8_t *start = (uint8_t *)PyBytes_AsString(bytes), *end = start;
    Py_BEGIN_ALLOW_THREADS
    unknown = put_rows(columns, count, rows, &end);
    Py_END_ALLOW_THREADS
    if (unknown >= 0) {
        Py_DECREF(bytes);
        return PyLong_FromLong(unknown);
    }
    return Py_BuildValue("Nn", bytes, (Py_ssize_t)(end - start));
}

/* Lines as bytes and how many of these are in use. */
static PyObject *lines_of(struct column *columns, int count, int64_t rows)
{
    int64_t most = 0;
    Py_BEGIN_ALLOW_THREADS
    for (int number = 0; number < count; number++)
        most += most_line_bytes(&columns[number], rows);
    Py_END_ALLOW_THREADS
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)most);
    if (bytes == NULL)
        return NULL;
    uint8_t *start = (uint8_t *)PyBytes_AsString(bytes), *end;
    Py_BEGIN_ALLOW_THREADS
    end = put_lines(columns, count, rows, start);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("Nn", bytes, (Py_ssize_t)(end - start));
}

/* `kinds` is NULL for the text format, else it has two numbers for each column. */
static PyObject *encode(PyObject *schema_capsule, PyObject *array_capsule, const char *kinds, Py_ssize_t size)
{
    PyObject *result = NULL;
    const struct ArrowSchema *schema = PyCapsule_GetPointer(schema_capsule, "arrow_schema");
    const struct ArrowArray *batch = schema == NULL ? NULL : PyCapsule_GetPointer(array_capsule, "arrow_array");
    if (batch == NULL)
        return NULL;
    if (strcmp(schema->format, "+s") != 0 || schema->n_children != batch->n_children || batch->n_children > INT16_MAX
        || (kinds != NULL && size != (Py_ssize_t)(batch->n_children * 2 * sizeof(int32_t)))) {
        PyErr_SetString(PyExc_ValueError, "a record batch and the kinds of its columns are needed");
        return NULL;
    }
    struct column *columns = calloc((size_t)batch->n_children + 1, sizeof *columns);
    int32_t *aligned = malloc((size_t)size + 1);
    if (columns == NULL || aligned == NULL)
        PyErr_NoMemory();
    else {
        if (kinds != NULL)
            memcpy(aligned, kinds, (size_t)size);
        if (!read_columns(columns, kinds == NULL ? NULL : aligned, schema, batch))
            PyErr_SetString(PyExc_ValueError, "a column is not of a form that its kind takes");
        else if (kinds == NULL)
            result = lines_of(columns, (int)batch->n_children, batch->length);
        else
            result = rows_of(columns, (int)batch->n_children, batch->length);
    }
    for (int64_t number = 0; columns != NULL && number < batch->n_children; number++)
        free(columns[number].entries);
    free(aligned);
    free(columns);
    return result;
}

static PyObject *encode_rows(PyObject *module, PyObject *arguments)
{
    PyObject *schema_capsule, *array_capsule;
    const char *kinds;
    Py_ssize_t size;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "(OO)y#", &schema_capsule, &array_capsule, &kinds, &size))
        return NULL;
    return encode(schema_capsule, array_capsule, kinds, size);
}

static PyObject *encode_lines(PyObject *module, PyObject *arguments)
{
    PyObject *schema_capsule, *array_capsule;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "(OO)", &schema_capsule, &array_capsule))
        return NULL;
    return encode(schema_capsule, array_capsule, NULL, 0);
}

static PyMethodDef methods[] = {
    {"encode_rows", encode_rows, METH_VARARGS,
     "encode_rows(capsules, kinds): the rows of a batch and their size, or the column that has an unknown value."},
    {"encode_lines", encode_lines, METH_VARARGS,
     "encode_lines(capsules): the lines of a batch of texts, and their size."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_rows", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__rows(void)
{
    memset(hexadecimal, 0xFF, sizeof hexadecimal);
    for (int digit = 0; digit < 10; digit++)
        hexadecimal['0' + digit] = (uint8_t)digit;
    for (int digit = 10; digit < 16; digit++)
        hexadecimal['a' + digit - 10] = hexadecimal['A' + digit - 10] = (uint8_t)digit;
    return PyModule_Create(&definition);
}
