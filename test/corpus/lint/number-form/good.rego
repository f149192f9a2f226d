package guard

default allow := false

allow if count(deny) == 0

deny contains "wrong chain" if not on_mainnet

on_mainnet if input.chain_id == 1
