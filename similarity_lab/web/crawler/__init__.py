"""The crawler: a process per site, its spider, middleware, item pipeline, cache and browser."""
