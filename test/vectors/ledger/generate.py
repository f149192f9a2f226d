"""Writes events.json: a short chain, everything around it, and what is wrong with changed copies of it.

Python's standard library only; see ledger.py.
"""
import base64
import copy
import json
from pathlib import Path

from ledger import L, event_hash, jcs, key_id, key_proof, leaf_hash, meta_root, note_key, public_key
from ledger import root_of, sign, verify_event

LEDGER = "ledger.newton.example/eval"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def seed(fill: int) -> bytes:
    return bytes([fill]) * 32


def event_id(at: int) -> str:
    return f"01970000-{at:04x}-7000-8000-{at:012x}"


def signed(payload, previous: str, fill: int, timestamp: str):
    current = event_hash(payload, previous)
    return {
        "event_id": payload["ets"]["event_id"],
        "payload": payload,
        "schema_version": payload["ets"]["schema_version"],
        "key_id": payload["ets"]["key_id"],
        "public_key": b64(public_key(seed(fill))),
        "previous_hash": previous,
        "current_hash": current,
        "signature": b64(sign(seed(fill), bytes.fromhex(current))),
        "timestamp": timestamp,
    }


def payload(at: int, domain: str, version: str, fields, fill: int, ledger: str = LEDGER):
    ets = {
        "domain": domain,
        "event_id": event_id(at),
        "key_id": key_id(public_key(seed(fill))),
        "ledger": ledger,
        "occurred_at": f"2026-01-01T00:00:{at:02d}.000Z",
        "schema_version": version,
    }
    return {**fields, "ets": ets, "type": version.split("/")[0]}


new = key_id(public_key(seed(2)))
proofs = [
    {"ledger": LEDGER, "eventId": event_id(1), "oldKeyId": old, "newKeyId": new}
    for old in [None, key_id(public_key(seed(3)))]
]
for proof in proofs:
    message = key_proof(proof["ledger"], proof["eventId"], proof["oldKeyId"], proof["newKeyId"])
    proof["message"] = message.hex()
    proof["signature"] = b64(sign(seed(2), message))

drafts = [
    ("audit", "ets.genesis/1", {"profile": "newton-ledger/1", "domains": [], "checkpoint_key": "k"}, 1),
    ("agents", "ets.key.add/1", {"key_id": new, "public_key": b64(public_key(seed(2))), "role": "operator",
                                 "proof": proofs[0]["signature"]}, 1),
    ("decisions", "newton.anomaly/1", {"kind": "plain", "subject": "", "detail": ""}, 2),
    ("decisions", "newton.anomaly/1",
     {"kind": "texts", "subject": "é \u2028 \U0001F602 \ufb33 \" \\ / \b\f\n\r\t\u0000\u001f\u007f", "detail": ""}, 2),
    ("decisions", "newton.other-thing/12",
     {"\U0001F602": 1, "\ufb33": -5, "a": [True, None, {"z": 0, "B": 2**53 - 1}], "€": "x"}, 2),
]
chain, previous = [], "0" * 64
for at, (domain, version, fields, fill) in enumerate(drafts):
    event = signed(payload(at, domain, version, fields, fill), previous, fill, f"2026-01-01T00:01:{at:02d}.123Z")
    chain.append(event)
    previous = event["current_hash"]

cases = []


def case(name: str, entry: bytes, before=None, ledger: str = LEDGER):
    shown = before if before in (None, "none") else {k: before[k] for k in ("current_hash", "timestamp")}
    verdict = verify_event(entry, ledger, before)
    cases.append({"name": name, "ledger": ledger, "entry": b64(entry), "previous": shown, "verdict": verdict})


for at, event in enumerate(chain):
    case(f"event {at}", jcs(event), "none" if at == 0 else chain[at - 1])
    case(f"event {at} by itself", jcs(event))
case("not the first", jcs(chain[0]), chain[1])
case("after another one", jcs(chain[2]), chain[0])
case("the first of all is claimed", jcs(chain[2]), "none")
case("time steps back", jcs(chain[2]), {**chain[1], "timestamp": "2027-01-01T00:00:00.000Z"})
case("the same time", jcs(chain[2]), {**chain[1], "timestamp": chain[2]["timestamp"]})
case("another ledger", jcs(chain[2]), None, "ledger.newton.example/other")


def changed(name: str, change):
    event = copy.deepcopy(chain[2])
    result = change(event)
    case(name, result if isinstance(result, bytes) else jcs(event))


def set_member(path: str, value):
    def change(event):
        at = event
        *parents, last = path.split(".")
        for parent in parents:
            at = at[parent]
        at[last] = value
    return change


def resigned(path: str, value):
    """The change, hashed and signed again: only what the check itself is about is wrong."""
    def change(event):
        set_member(path, value)(event)
        again = signed(event["payload"], event["previous_hash"], 2, event["timestamp"])
        for name in ["current_hash", "signature"]:
            event[name] = again[name]
    return change


for path, value in [
    ("payload.kind", "other"), ("payload.extra", 1), ("payload.ets.domain", "context"),
    ("event_id", event_id(9)), ("schema_version", "newton.anomaly/2"), ("key_id", key_id(public_key(seed(1)))),
    ("public_key", b64(public_key(seed(1)))), ("public_key", b64(bytes(31))), ("public_key", "AAAA"),
    ("previous_hash", "0" * 64), ("previous_hash", "0" * 63), ("current_hash", "0" * 64),
    ("signature", b64(bytes(64))), ("signature", b64(bytes(63))), ("timestamp", "2026-01-01T00:01:02Z"),
    ("timestamp", "2026-02-30T00:01:02.000Z"), ("timestamp", "2026-01-01T24:00:00.000Z"),
    ("timestamp", 5), ("extra", "member"),
]:
    changed(f"{path} becomes {json.dumps(value)[:24]}", set_member(path, value))
for path, value in [
    ("payload.kind", "other"), ("payload.ets.domain", "meta"), ("payload.ets.domain", ""),
    ("payload.ets.event_id", "01970000-0002-4000-8000-000000000002"),
    ("payload.ets.occurred_at", "2026-01-01T00:00:00Z"), ("payload.ets.occurred_at", "2026-13-01T00:00:00.000Z"),
    ("payload.ets.ledger", "x"), ("payload.ets.more", "x"), ("payload.type", "newton.other"),
    ("payload.ets.schema_version", "newton.anomaly"), ("payload.ets.schema_version", "newton.anomaly/0"),
    ("payload.ets.schema_version", "newton.anomaly/01"), ("payload.ets.key_id", "sha256:00"),
]:
    changed(f"signed again, {path} is {json.dumps(value)[:24]}", resigned(path, value))


def high_s(event):
    data = base64.b64decode(event["signature"])
    s = int.from_bytes(data[32:], "little") + L
    event["signature"] = b64(data[:32] + s.to_bytes(32, "little"))


def unpadded(event):
    event["signature"] = event["signature"].rstrip("=")


changed("S is not below the order", high_s)
changed("base64 without padding", unpadded)
changed("a space behind", lambda event: jcs(event) + b" ")
changed("members in another order", lambda event: json.dumps(event, separators=(",", ":")).encode())
changed("a member twice", lambda event: jcs(event)[:-1] + b',"timestamp":"2026-01-01T00:00:00.000Z"}')
changed("an escape that is not needed", lambda event: jcs(event).replace(b'"plain"', b'"pl\\u0061in"'))
changed("no JSON", lambda event: jcs(event)[:-1])
changed("a list", lambda event: b"[]")
changed("not UTF-8", lambda event: jcs(event).replace(b"plain", b"pl\xffin"))
changed("a lone surrogate", lambda event: jcs(event).replace(b'"plain"', b'"\\ud800"'))
for name in list(chain[2]):
    def without(event, name=name):
        del event[name]
    changed(f"without {name}", without)

# A key of small order that verifies anything where nobody looks.
small = bytes([1]) + bytes(31)
event = copy.deepcopy(chain[2])
event["payload"]["ets"]["key_id"] = event["key_id"] = key_id(small)
event["public_key"] = b64(small)
event["current_hash"] = event_hash(event["payload"], event["previous_hash"])
event["signature"] = b64(small + bytes(32))
case("a key of small order", jcs(event))

leaves = [leaf_hash(jcs(event)) for event in chain]
roots = []
for count in [0, 1, 2, 5]:
    domains = [("agents", count, root_of(leaves[:count])), ("audit", 0, root_of([])),
               ("decisions", 5, root_of(leaves))]
    roots.append({
        "checkpointEventId": event_id(count),
        "domains": [{"name": n, "size": str(s), "root": r.hex()} for n, s, r in domains],
        "metaRoot": meta_root(event_id(count), domains),
    })
keys = [{"name": name, "seed": seed(fill).hex(), "key": note_key(name, public_key(seed(fill)))}
        for name, fill in [("example.com/log", 7), (LEDGER + "/meta", 9)]]

Path(__file__).with_name("events.json").write_text(json.dumps({
    "cases": cases,
    "leaves": [leaf.hex() for leaf in leaves],
    "metaRoots": roots,
    "keyProofs": proofs,
    "noteKeys": keys,
}, indent=1) + "\n")
