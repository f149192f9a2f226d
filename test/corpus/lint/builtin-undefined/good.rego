package guard

default allow := false

allow if {
	count(deny) == 0
	expires > time.now_ns()
}

expires := time.add_date(data.wasm.issued, 0, 12, 0)

deny contains "to nobody" if input.to == ""

deny contains "shift" if bits.lsh(1, 3) != 8
