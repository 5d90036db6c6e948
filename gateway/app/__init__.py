"""The one place where parts are put together: each process of tipstaff, from its configuration."""
