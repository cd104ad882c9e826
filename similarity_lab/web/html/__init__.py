"""Pure functions of a page: its images, links, structured data; and sitemaps."""
