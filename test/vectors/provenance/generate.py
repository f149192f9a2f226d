"""Vectors of build information and claims. Python's standard library only; `python3 generate.py`.

Written from RFC 4506 and the Solidity ABI; neither the contracts nor the TypeScript code is its
source. Both read what it writes.
"""
import hashlib
import json
import pathlib
import struct

here = pathlib.Path(__file__).parent


def text(value: bytes) -> bytes:
    return struct.pack('>I', len(value)) + value + b'\0' * (-len(value) % 4)


def build_info(case) -> bytes:
    fields = sorted((k.encode(), v.encode()) for k, v in case['fields'])
    out = bytes.fromhex(case['wasmSha256'][2:]) + bytes.fromhex(case['sourceSha256'][2:])
    out += struct.pack('>I', len(fields)) + b''.join(text(k) + text(v) for k, v in fields)
    return out + struct.pack('>I', len(case['args'])) + b''.join(text(a.encode()) for a in case['args'])


def sha(value: bytes) -> str:
    return '0x' + hashlib.sha256(value).hexdigest()


wasm, source = sha(b'plugin'), sha(b'source')
image = 'registry.example/newton/build@sha256:' + hashlib.sha256(b'image').hexdigest()
cases = [
    {'name': 'nothing but hashes', 'fields': [], 'args': []},
    {
        'name': 'image, options and arguments',
        'fields': [['bldimg', image], ['bldopt', '--world=0.2'], ['bldopt', '--features=clocks,random']],
        'args': ['plugin', 'build'],
    },
    {
        'name': 'arguments keep their order',
        'fields': [['bldimg', image]],
        'args': ['build', 'plugin', 'build'],
    },
    {
        'name': 'bytes decide the order, a prefix comes first',
        'fields': [['b', 'x'], ['bb', ''], ['b', ''], ['\u00e9', 'y'], ['b', 'x' * 40], ['b', 'x' * 32 + 'a']],
        'args': [''],
    },
    {
        'name': 'every length of padding',
        'fields': [['k' * n, 'v' * (9 - n)] for n in range(1, 9)],
        'args': ['a' * n for n in range(5)],
    },
]
for case in cases:
    case['wasmSha256'], case['sourceSha256'] = wasm, source
    xdr = build_info(case)
    case['fields'] = [[k.decode(), v.decode()] for k, v in sorted((k.encode(), v.encode()) for k, v in case['fields'])]
    case['xdr'], case['buildInfoHash'] = '0x' + xdr.hex(), sha(xdr)

head = bytes.fromhex(wasm[2:] + source[2:])
u32 = lambda n: struct.pack('>I', n)
pair = lambda k, v: text(k) + text(v)
two = u32(2)
invalid = [
    ('empty', b'', 'MalformedBuildInfo', 64),
    ('no counts', head, 'MalformedBuildInfo', 64),
    ('a count cut short', head + b'\0\0\0', 'MalformedBuildInfo', 64),
    ('no arguments', head + u32(0), 'MalformedBuildInfo', 68),
    ('something after the end', head + u32(0) + u32(0) + u32(0), 'MalformedBuildInfo', 72),
    ('a field that is not there', head + u32(1) + u32(0), 'MalformedBuildInfo', 68),
    ('more fields than bytes', head + u32(0xFFFFFFFF), 'MalformedBuildInfo', 68),
    ('a length beyond the end', head + u32(1) + u32(0xFFFFFFFF) + b'abcd', 'MalformedBuildInfo', 68),
    ('padding that is not zero', head + u32(1) + u32(1) + b'a\0\1\0' + u32(0) + u32(0), 'MalformedBuildInfo', 74),
    ('padding that is missing', head + u32(0) + u32(1) + u32(1) + b'a', 'MalformedBuildInfo', 72),
    ('an empty key', head + u32(1) + pair(b'', b'v') + u32(0), 'MalformedBuildInfo', 68),
    ('keys out of order', head + two + pair(b'b', b'') + pair(b'a', b'') + u32(0), 'FieldOutOfOrder', 1),
    ('values out of order', head + two + pair(b'a', b'2') + pair(b'a', b'1') + u32(0), 'FieldOutOfOrder', 1),
    ('a duplicate', head + two + pair(b'a', b'1') + pair(b'a', b'1') + u32(0), 'FieldOutOfOrder', 1),
    ('a prefix after what it begins', head + two + pair(b'ab', b'') + pair(b'a', b'') + u32(0), 'FieldOutOfOrder', 1),
    ('an argument among the fields', head + u32(1) + pair(b'bldarg', b'build') + u32(0), 'MisplacedField', 0),
    ('the source among the fields', head + two + pair(b'a', b'') + pair(b'source_sha256', b'00') + u32(0), 'MisplacedField', 1),
]

results = ['NONE', 'MATCH', 'NO_MATCH', 'DID_NOT_RUN']


def word(value: int) -> bytes:
    return value.to_bytes(32, 'big')


def claim_data(result: int, build_info_hash: str, uri: str) -> str:
    raw = uri.encode()
    tail = word(len(raw)) + raw + b'\0' * (-len(raw) % 32)
    return '0x' + (word(result) + bytes.fromhex(build_info_hash[2:]) + word(96) + tail).hex()


claims = [
    {
        'wasmHash': '0x' + hashlib.sha3_256(b'any').hexdigest(),
        'verifier': '0x' + '12' * 20,
        'result': results[result],
        'code': result,
        'buildInfoHash': cases[1]['buildInfoHash'],
        'evidenceUri': uri,
        'data': claim_data(result, cases[1]['buildInfoHash'], uri),
    }
    for result in (1, 2, 3)
    for uri in ('', 'ipfs://bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
]

(here / 'buildInfo.json').write_text(
    json.dumps(
        {
            'cases': cases,
            'invalid': [
                {'name': n, 'xdr': '0x' + x.hex(), 'error': e, 'at': at} for n, x, e, at in invalid
            ],
        },
        indent=1,
        ensure_ascii=False,
    )
    + '\n'
)
(here / 'claims.json').write_text(json.dumps({'claims': claims}, indent=1) + '\n')
