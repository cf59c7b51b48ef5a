"""report.html: what a rehearsal has shown, for those who answer for the opening.

One file without script, picture or font from elsewhere. It says nothing that report.json does not.
"""
