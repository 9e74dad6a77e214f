"""The HTML report: one file that opens offline.

`page.write_report` puts it together: what the runs come to (`summary`, `highlights`, `breakdown`, `answers`,
`provenance`) as tables with small charts, and the samples (`data`, `thumbnails`) as JSON that the page's own script
lets people browse.
"""
