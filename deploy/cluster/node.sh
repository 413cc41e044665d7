#!/bin/sh
# Makes the folder of a node whose store is on MongoDB, unless it is there, and puts its configuration in force.
#
#   NODE_NAME=... NODE_ORGANISATION=... NODE_JURISDICTION=... NODE_URL=... node.sh STORE-URL [LISTEN]
#
# The folder is that of TAXII_FED_CONFIG. It holds the node's key: keep a copy, and give the same folder to every process.
set -eu

store=$1 listen=${2:-0.0.0.0:8421}
folder=$(dirname "$TAXII_FED_CONFIG")

if [ ! -e "$TAXII_FED_CONFIG" ]; then
    taxii-fed init "$folder" --name "$NODE_NAME" --organisation "$NODE_ORGANISATION" \
        --jurisdiction "$NODE_JURISDICTION" --url "$NODE_URL"
    printf '%s' "$store" > "$folder/store-url"
    chmod 600 "$folder/store-url"
    part="$TAXII_FED_CONFIG.part"
    sed -e "s|^  url: sqlite:.*|  url: {file: store-url}|" -e "s|^  listen: .*|  listen: $listen|" "$TAXII_FED_CONFIG" > "$part"
    cat "$part" > "$TAXII_FED_CONFIG"
    rm "$part"
fi
taxii-fed check
taxii-fed apply --yes
