"""What TAXII, STIX and the sharing rules mean: values in, values out. No clock, no file, no socket.

| | |
|---|---|
| STIX objects | `stix`, `splitting`, `checks`, `canonical`, `jsontext`, `timestamps`, `selectors` |
| What the rules look at | `facts`, `levels`, `markings`, `door` |
| The rules | `rules`, `changes`, `audience`, `bearing`, `sharing` |
| What goes out | `results`, `closure`, `copies`, `derive`, `links` |
| TAXII | `query`, `paging`, `resources` |
| Peers | `remote`, `pull`, `reconcile`, `backoff` |
| For all | `errors`, `keys`, `loglines` |
"""
