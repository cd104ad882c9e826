"""Pure functions of a page: images, links, structured data, sitemaps."""
