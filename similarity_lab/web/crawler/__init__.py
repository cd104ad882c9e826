"""The crawler: its process, spider, pipelines and browser."""
