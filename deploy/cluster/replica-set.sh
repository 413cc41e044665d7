#!/bin/sh
# Makes a replica set of the members that are named, unless they are one; returns once there is a primary.
#
#   [ADMIN_PASSWORD=... STORE_PASSWORD=...] replica-set.sh NAME HOST:PORT...
#
# To be run beside the first member. With passwords, where the members ask for them: makes the users "admin", and "taxii_fed" for the
# database of that name, as a server allows it that has none yet. CONFIG_SERVERS=yes: a set that keeps the configuration of a sharded
# cluster. May be run again, and again when it broke off.
set -eu

name=$1 members="" number=0
shift
for host in "$@"; do
    members="$members{_id: $number, host: \"$host\"},"
    number=$((number + 1))
done
url="mongodb://127.0.0.1:${1##*:}/?directConnection=true"

left=60
until mongosh --quiet "$url" --eval 1 > /dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "no answer at $url" >&2; exit 1; }
    sleep 1
done

export ADMIN_PASSWORD="${ADMIN_PASSWORD:-}" STORE_PASSWORD="${STORE_PASSWORD:-}"
exec mongosh --quiet "$url" --eval "
    while (!db.hello().setName) {
        try { rs.initiate({_id: '$name', ${CONFIG_SERVERS:+configsvr: true,} members: [$members]}) }
        catch (error) { print(error.message); sleep(1000) }
    }
    while (!db.hello().primary) sleep(200)
    print('primary: ' + db.hello().primary)
    const {ADMIN_PASSWORD, STORE_PASSWORD} = process.env
    if (STORE_PASSWORD && db.hello().isWritablePrimary) {
        const admin = db.getSiblingDB('admin'), store = db.getSiblingDB('taxii_fed')
        const attempt = (work, ...passing) => {
            try { work() } catch (error) { if (!passing.includes(error.code)) throw error }
        }
        const there = 51003, notAllowed = 13, otherPassword = 18
        attempt(() => admin.createUser({user: 'admin', pwd: ADMIN_PASSWORD, roles: ['root']}), there, notAllowed)
        attempt(() => admin.auth('admin', ADMIN_PASSWORD), otherPassword)
        attempt(() => store.createUser({user: 'taxii_fed', pwd: STORE_PASSWORD, roles: ['readWrite']}), there, notAllowed)
    }
    print('ready')"
