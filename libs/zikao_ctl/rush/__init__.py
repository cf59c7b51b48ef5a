"""`zikao rush`: an opening rehearsed at full load, with a verdict at the end."""
