package payments

default allow := false

allow if count(deny) == 0

window := [payment |
	some payment in data.wasm.payments
	payment.at > data.params.now - data.params.window
]

spent := sum([payment.amount | some payment in window])

by_recipient := {recipient: total |
	some recipient in {payment.to | some payment in window}
	total := sum([payment.amount | some payment in window; payment.to == recipient])
}

largest := max([total | some total in by_recipient])

tier := "gold" if {
	data.wasm.score >= 80
} else := "silver" if {
	data.wasm.score >= 50
} else := "basic"

limit := data.params.limits[tier]

weekend if time.weekday(data.params.now * 1000000000) in {"Saturday", "Sunday"}

deny contains "memo" if {
	some payment in window
	not regex.match("^[A-Za-z0-9 ]{0,32}$", payment.memo)
}

deny contains message if {
	spent + to_number(input.value) > limit
	message := sprintf("%d of %d are spent", [spent, limit])
}

deny contains message if {
	some recipient, total in by_recipient
	total * 2 > limit
	message := sprintf("too much for %s", [recipient])
}

deny contains "weekend" if {
	weekend
	not data.params.weekends
}

deny contains "burst" if {
	some first in window
	count([1 | some other in window; other.to == first.to; abs(other.at - first.at) < 60]) > 3
}

deny contains "concentrated" if largest * 100 > spent * data.params.max_share

deny contains "blocked" if {
	some tag in data.wasm.tags
	tag in {"fraud", "sanctioned", "mixer"}
}
