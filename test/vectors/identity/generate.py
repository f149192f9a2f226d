"""Writes ids.json: expected ids from an implementation that shares no code with the package.

Needs eth-abi and pycryptodome. Layouts: spec of ids, docs/concepts.md.
"""
import json
import random
from pathlib import Path

from Crypto.Hash import keccak as _keccak
from eth_abi import encode


def keccak(data: bytes) -> bytes:
    return _keccak.new(digest_bits=256, data=data).digest()


def hx(data: bytes) -> str:
    return "0x" + data.hex()


rng = random.Random(20_261_120)
ABSENT = keccak(b"NEWTON_POLICY_ARTIFACT_ABSENT_V1")


def word() -> bytes:
    return rng.randbytes(32)


def maybe() -> bytes:
    return ABSENT if rng.random() < 0.3 else word()


artifacts = []
for text in [b"a", b"package example\n", bytes(range(256)), b"\x00"]:
    artifacts.append({"bytes": hx(text), "hash": hx(keccak(text))})

keys = []
for namespace in range(1, 9):
    name = word()
    keys.append({"namespace": namespace, "name": hx(name), "keyHash": hx(keccak(bytes([namespace]) + name))})

policy_data_templates = []
for _ in range(12):
    wasm, params, secrets = word(), maybe(), maybe()
    policy_data_templates.append({
        "wasmHash": hx(wasm), "paramsSchemaHash": hx(params), "secretsSchemaHash": hx(secrets),
        "id": hx(keccak(b"\x01" + wasm + params + secrets)),
    })

policy_templates = []
for count in [0, 1, 2, 3, 7, 31, 32]:
    refs = sorted(word() for _ in range(count))
    rego, params = word(), maybe()
    policy_templates.append({
        "regoHash": hx(rego), "paramsSchemaHash": hx(params), "policyDataTemplateRefs": [hx(r) for r in refs],
        "id": hx(keccak(rego + params + keccak(b"".join(refs)))),
    })

params_hashes = []
for expire, params in [
    (1, b""), (2**32 - 1, b""), (300, b'{"a":1}'), (7, b"x" * 31), (7, b"x" * 32), (7, b"x" * 33), (99, b"y" * 8192),
]:
    params_hashes.append({
        "expireAfter": str(expire), "params": hx(params),
        "paramsHash": hx(keccak(encode(["uint64", "bytes"], [expire, params]))),
    })

instances = []
for chain in [1, 31337, 2**64, 2**256 - 1]:
    client, template, params = rng.randbytes(20), word(), word()
    body = chain.to_bytes(32, "big") + client + template + params
    instances.append({
        "chainId": str(chain), "client": hx(client), "templateId": hx(template), "paramsHash": hx(params),
        "policyInstanceId": hx(keccak(body)), "policyDataInstanceId": hx(keccak(b"\x01" + body)),
    })

Path(__file__).with_name("ids.json").write_text(json.dumps({
    "absent": hx(ABSENT), "artifacts": artifacts, "keys": keys,
    "policyTemplates": policy_templates, "policyDataTemplates": policy_data_templates,
    "paramsHashes": params_hashes, "instances": instances,
}, indent=1) + "\n")
