"""Loading by the workers of a Dask cluster. Only `options` may be imported where Dask is not installed."""
