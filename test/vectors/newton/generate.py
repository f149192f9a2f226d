#!/usr/bin/env python3
"""Writes messages.json: messages of the current protocol and their hashes. Python's standard library
only; keccak-256 and the ABI encoder are those of ../messages/generate.py, written from their
definitions."""
import importlib.util
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location('base', os.path.join(HERE, '..', 'messages', 'generate.py'))
base = importlib.util.module_from_spec(spec)
spec.loader.exec_module(base)
keccak, abi = base.keccak, base.abi

INTENT = ('tuple', ['address', 'address', 'uint', 'bytes', 'uint', 'bytes'])
DATA = ('tuple', ['bytes', 'bytes', 'address', 'uint'])
TASK_DATA = ('tuple', ['bytes32', 'address', 'bytes', ('array', DATA)])
CONFIG = ('tuple', ['bytes', 'uint'])
TASK = ('tuple', ['bytes32', 'address', 'uint', 'uint', INTENT, 'bytes', 'bytes', 'bytes', 'uint'])
RESPONSE = ('tuple', ['bytes32', 'address', 'bytes32', 'address', INTENT, 'bytes', 'bytes', TASK_DATA, CONFIG, 'uint'])
CERTIFICATE = ('tuple', ['uint', 'uint', 'bytes32', 'bytes'])
ATTESTATION = ('tuple', ['bytes32', 'bytes32', 'address', 'uint', INTENT, 'bytes'])


def h(text):
    return keccak(text.encode())


def hexs(value):
    return '0x' + value.hex()


def named(names, values):
    return {n: hexs(v) if isinstance(v, bytes) else (str(v) if isinstance(v, int) else v) for n, v in zip(names, values)}


INTENT_NAMES = ['from', 'to', 'value', 'data', 'chainId', 'functionSignature']


def case(name, n, sizes):
    account = lambda label: h(f'{name} {label}')[12:]
    blob = lambda label, size: (h(f'{name} {label}') * (size // 32 + 1))[:size]
    intent = [account('from'), account('to'), n * 10 ** 18, blob('data', sizes[0]), 11155111, b'transfer(address,uint256)'[:sizes[1]]]
    task_id, policy_id = h(f'{name} task'), h(f'{name} policy')
    client, policy = account('client'), account('policy address')
    signature = blob('signature', sizes[2])
    task = [task_id, client, 12345678 + n, 67, intent, signature, b'{"a":1}'[:sizes[3]], bytes(range(n)), 1750000000]
    data = [[blob(f'args {i}', i * 7), blob(f'oracle {i}', i * 40), account(f'oracle {i}'), 900 + i] for i in range(n)]
    task_data = [policy_id, policy, blob('rego', sizes[0] * 3), data]
    config = [blob('params', sizes[3]), 300]
    result = (1 if n % 2 else 0).to_bytes(32, 'big')
    response = [task_id, client, policy_id, policy, intent, signature, result, task_data, config, 1750000000]
    certificate = [12345700, 12345800, h(f'{name} non-signers'), blob('signature data', sizes[2])]
    attestation = [task_id, policy_id, client, 12345800, intent, signature]
    intent_json = named(INTENT_NAMES, intent)
    hashed = [task[0], task[2], task[4], task[5], task[1], task[6], task[7], task[3], task[8]]
    hashed_types = ['bytes32', 'uint', INTENT, 'bytes', 'address', 'bytes', 'bytes', 'uint', 'uint']
    return {
        'name': name,
        'task': {**named(['taskId', 'policyClient', 'taskCreatedBlock', 'quorumThresholdPercentage', 'intent', 'intentSignature', 'wasmArgs', 'quorumNumbers', 'initializationTimestamp'], task), 'intent': intent_json},
        'taskEncoded': hexs(abi([TASK], [task])),
        'taskHash': hexs(keccak(abi(hashed_types, hashed))),
        'response': {
            **named(['taskId', 'policyClient', 'policyId', 'policyAddress', 'intent', 'intentSignature', 'evaluationResult', 'policyTaskData', 'policyConfig', 'initializationTimestamp'], response),
            'intent': intent_json,
            'policyTaskData': {**named(['policyId', 'policyAddress', 'policy'], task_data), 'policyData': [named(['wasmArgs', 'data', 'policyDataAddress', 'expireBlock'], one) for one in data]},
            'policyConfig': named(['policyParams', 'expireAfter'], config),
        },
        'responseEncoded': hexs(abi([RESPONSE], [response])),
        'consensusDigest': hexs(keccak(abi([RESPONSE], [response]))),
        'responseCertificate': named(['referenceBlock', 'responseExpireBlock', 'hashOfNonSigners', 'signatureData'], certificate),
        'responseHash': hexs(keccak(abi([RESPONSE, CERTIFICATE], [response, certificate]))),
        'attestation': {**named(['taskId', 'policyId', 'policyClient', 'expiration', 'intent', 'intentSignature'], attestation), 'intent': intent_json},
        'attestationEncoded': hexs(abi([ATTESTATION], [attestation])),
        'attestationHash': hexs(keccak(abi([ATTESTATION], [attestation]))),
    }


def signature_data():
    g1 = lambda i: [base.P - i, i]
    record = [[3, 4], [g1(1), g1(2)], [g1(3)], [[5, 6], [7, 8]], g1(9), [10], [11], [[12, 13]]]
    point, pair = ('tuple', ['uint', 'uint']), ('fixed', 'uint', 2)
    types = ('tuple', [('array', 'uint'), ('array', point), ('array', point), ('tuple', [pair, pair]), point, ('array', 'uint'), ('array', 'uint'), ('array', ('array', 'uint'))])
    words = b''.join(keccak(x.to_bytes(32, 'big') + y.to_bytes(32, 'big')) for x, y in record[1])
    json_point = lambda p: {'X': str(p[0]), 'Y': str(p[1])}
    return {
        'value': {
            'nonSignerQuorumBitmapIndices': record[0],
            'nonSignerPubkeys': [json_point(p) for p in record[1]],
            'quorumApks': [json_point(p) for p in record[2]],
            'apkG2': {'X': ['5', '6'], 'Y': ['7', '8']},
            'sigma': json_point(record[4]),
            'quorumApkIndices': record[5],
            'totalStakeIndices': record[6],
            'nonSignerStakeIndices': record[7],
        },
        'encoded': hexs(abi([types], [record])),
        'taskCreatedBlock': 12345678,
        'signatoryRecord': hexs(keccak((12345678).to_bytes(4, 'big') + words)),
    }


def main():
    cases = [case('empty', 0, [0, 0, 0, 0]), case('one oracle', 1, [68, 25, 65, 7]), case('four oracles', 4, [132, 25, 65, 7])]
    with open(os.path.join(HERE, 'messages.json'), 'w') as f:
        json.dump({'cases': cases, 'signatureData': signature_data()}, f, indent=1)
        f.write('\n')


if __name__ == '__main__':
    main()
