"""From released checkpoint layouts to ours."""
