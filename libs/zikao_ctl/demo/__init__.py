"""`zikao demo`: a whole session played on an installation, through the public RPCs alone.

`story` is the order of the acts, each act a module; `people` who takes part; `stage` what an
act works with. The story ends with the invariants, counted in the database.
"""
