package guard

default allow := false

allow if count(deny) == 0

deny contains "expired" if time.add_date(data.wasm.issued, 1, 0, 0) < time.now_ns()

deny contains "flags" if bits.and(to_number(input.value), 1) == 1
