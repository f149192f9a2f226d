#!/bin/sh
# forensic.sh DIRECTORY [LEDGER_PUBLIC_KEY.pem]
#
# Verifies a ledger of @newton/policy-sdk with nothing of it: every entry's leaf hash from the bundles,
# the root of each log (RFC 6962), the checkpoints' size and root, and the chain of events. Needs a
# POSIX shell, od, head, tail, awk, sed, sort, sha256sum, base64. Checkpoint signatures are verified
# where openssl and a public key are given, else they are said to be not checked.
set -eu
dir=${1:?usage: forensic.sh DIRECTORY [PUBLIC_KEY.pem]}
pem=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
fail() { echo "FAULT: $*"; bad=1; }
# Bytes of a hex string, one octal escape each: POSIX printf knows those.
raw() { printf '%b' "$(echo "$1" | sed 's/../& /g' | awk '{ for (i = 1; i <= NF; i++) { h = index("0123456789abcdef", substr($i, 1, 1)) - 1; l = index("0123456789abcdef", substr($i, 2, 1)) - 1; printf "\\0%03o", h * 16 + l } }')"; }
hash() { sha256sum | cut -c1-64; }
node() { raw "01$1$2" | hash; }
# Path of bundle number $1: groups of three digits, all but the last with an x.
name() { n=$1; p=$(printf '%03d' $((n % 1000))); n=$((n / 1000)); while [ "$n" -gt 0 ]; do p="x$(printf '%03d' $((n % 1000)))/$p"; n=$((n / 1000)); done; echo "$p"; }

: > "$work/events"
for log in agents audit context decisions meta; do
  file="$dir/$log/checkpoint"
  [ -f "$file" ] || { fail "$log: no checkpoint"; continue; }
  origin=$(sed -n 1p "$file"); size=$(sed -n 2p "$file")
  want=$(sed -n 3p "$file" | base64 -d | od -An -v -tx1 | tr -d ' \n')
  : > "$work/peaks"; index=0; bundle=0
  while [ "$index" -lt "$size" ]; do
    rest=$((size - index)); path="$dir/$log/tile/entries/$(name $bundle)"
    width=256; [ "$rest" -lt 256 ] && width=$rest
    if [ "$width" -lt 256 ] && [ -f "$path.p/$width" ]; then path="$path.p/$width"; fi
    [ -f "$path" ] || { fail "$log: $path is not there"; break; }
    at=1; i=0
    while [ "$i" -lt "$width" ]; do
      set -- $(tail -c +$at "$path" | head -c 2 | od -An -v -tu1)
      [ $# -eq 2 ] || { fail "$log: $path ends at entry $index"; break 2; }
      length=$(($1 * 256 + $2))
      tail -c +$((at + 2)) "$path" | head -c $length > "$work/entry"
      leaf=$( { printf '\000'; cat "$work/entry"; } | hash)
      at=$((at + 2 + length)); i=$((i + 1)); index=$((index + 1))
      # A binary counter of perfect subtrees: equal heights join.
      h=0; sum=$leaf
      while last=$(tail -n 1 "$work/peaks") && [ "${last%% *}" = "$h" ]; do
        sum=$(node "${last#* }" "$sum"); h=$((h + 1)); sed -i '$d' "$work/peaks"
      done
      echo "$h $sum" >> "$work/peaks"
      if [ "$log" != meta ]; then
        # Canonical JSON: the members stand in their order, and each of these once at this level.
        current=$(sed 's/^{"current_hash":"\([0-9a-f]*\)".*/\1/' "$work/entry")
        previous=$(sed 's/.*,"previous_hash":"\([0-9a-f]*\)","public_key":"[^"]*","schema_version":"[^"]*","signature":"[^"]*","timestamp":"[^"]*"}$/\1/' "$work/entry")
        sed 's/.*,"payload":\({.*}\),"previous_hash":"[0-9a-f]*","public_key":"[^"]*","schema_version":"[^"]*","signature":"[^"]*","timestamp":"[^"]*"}$/\1/' "$work/entry" | tr -d '\n' > "$work/payload"
        { cat "$work/payload"; raw "$previous"; } > "$work/hashed"
        [ "$(hash < "$work/hashed")" = "$current" ] || fail "$log entry $((index - 1)): current_hash is not that of its payload"
        echo "$previous $current" >> "$work/events"
      fi
    done
    bundle=$((bundle + 1))
  done
  root=$(awk '{ line[NR] = $2 } END { for (i = NR; i > 0; i--) print line[i] }' "$work/peaks" > "$work/right"; sum=; while read -r peak; do if [ -z "$sum" ]; then sum=$peak; else sum=$(node "$peak" "$sum"); fi; done < "$work/right"; [ -n "$sum" ] || sum=$(printf '' | hash); echo "$sum")
  if [ "$root" = "$want" ]; then echo "$log: $size entries, root $root"; else fail "$log: root $root, checkpoint $want"; fi
  if [ -n "$pem" ] && command -v openssl > /dev/null; then
    sed -n '1,3p' "$file" > "$work/text"
    sed -n '5p' "$file" | awk '{ print $3 }' | base64 -d | tail -c 64 > "$work/sig"
    openssl pkeyutl -verify -rawin -pubin -inkey "$pem" -in "$work/text" -sigfile "$work/sig" > /dev/null 2>&1 || fail "$log: the checkpoint's signature"
  else
    echo "$log: signature of $origin not checked"
  fi
done

# One walk from 64 zeros through every event.
awk '{ if ($1 in next_of) { print "FAULT: two events follow " $1; bad = 1 } next_of[$1] = $2; total++ }
  END { at = sprintf("%064d", 0); while (at in next_of) { n++; following = next_of[at]; delete next_of[at]; at = following }
    print "chain: " n + 0 " of " total + 0 " events, head " at; if (n != total) { print "FAULT: the chain does not meet every event"; bad = 1 } exit bad }' "$work/events" || bad=1
if [ -f "$dir/.state/head" ]; then
  head=$(sed 's/.*"head":"\([0-9a-f]*\)".*/\1/' "$dir/.state/head")
  tip=$(awk '{ next_of[$1] = $2 } END { at = sprintf("%064d", 0); while ((at in next_of) && n++ < NR) at = next_of[at]; print at }' "$work/events")
  [ "$head" = "$tip" ] || fail "the commit point names another newest event"
fi
[ "$bad" = 0 ] && echo "ok" || { echo "FAULTY"; exit 1; }
