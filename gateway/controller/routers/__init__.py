"""The admin API, one noun per module. Each has a function that makes its router from what it needs."""
