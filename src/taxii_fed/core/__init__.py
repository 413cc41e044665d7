"""What TAXII, STIX and the sharing rules mean: values in, values out. No clock, no file, no socket.

Imports go down this list only:

| | |
|---|---|
| `federation` | pulling from a peer: the next request, when to ask again, what a comparison means |
| `taxii` | filters, positions, resources |
| `views` | what a class of readers gets: verdicts closed over references, copies |
| `derive` | the edits that make a copy of an object |
| `rules` | what rules are, whom they reach, what they say about one version; the door |
| `stix` | objects as bytes, what they must be, what rules look at in them, levels |
| `keys`, `errors`, `timestamps`, `loglines` | for all |
"""
