"""`taxii-fed demo`: three nodes in three jurisdictions on one machine, and an account of what went where and why.

`incident` is what is published, the ``*.yaml`` files are the nodes, `nodes` starts them, `story` is the order of events and
`account` tells it.
"""
