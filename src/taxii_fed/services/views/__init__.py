"""What each class of readers sees of a collection, kept in line with its versions.

| | |
|---|---|
| One settling | `settle`: the region judged, the difference written, the readers told |
| Its region | `region`, found by `growing` and read by `loaded`; views that nothing in it tells apart are `alike` |
| How it is judged | `judges` say what the rules say, `plain` does the bulk; `outside`, `apart` and `hidden_creators` what lies around |
| What is written | `difference`, `notices` |
| Beside it | `approvals`; `whole` and `rebuild`, the proof and the mending |
"""
