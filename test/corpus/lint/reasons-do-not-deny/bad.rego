package guard

default allow := false

allow if input.function_signature == "0xa9059cbb"

deny contains "the recipient is blocked" if input.to == "0x00000000000000000000000000000000000000ff"
