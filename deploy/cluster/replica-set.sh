#!/bin/sh
# Makes a replica set of the members that are named, unless they are one; returns once there is a primary.
#
#   replica-set.sh HOST...
set -eu

members="" number=0
for host in "$@"; do
    members="$members{_id: $number, host: \"$host:27017\"},"
    number=$((number + 1))
done

mongosh --quiet "mongodb://$1:27017/?directConnection=true" --eval "
    try { rs.status() } catch (error) { rs.initiate({_id: 'rs0', members: [$members]}) }
    while (!db.hello().primary) sleep(200)
    print('primary: ' + db.hello().primary)"
