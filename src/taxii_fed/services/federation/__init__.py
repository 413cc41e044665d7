"""Pulling from peers.

| | |
|---|---|
| What is planned, and how far it has come | `subscriptions`; `leased`, with the right to go on |
| One pull | `federate`, page by page by a `walk`, with what is `carried` beside the objects |
| One comparison | `compare`, with our side of it in `offers` |
| What came of it | `outcomes` |
"""
