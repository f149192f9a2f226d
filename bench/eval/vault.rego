package vault

default allow := false

allow if {
	count(deny) == 0
	count(matching) > 0
}

operation := input.function.name

amount := to_number(input.value)

known := {token.symbol | some token in data.params.tokens}

is_admin(address) if lower(address) in {lower(admin) | some admin in data.params.admins}

limit_of(symbol) := token.limit if {
	some token in data.params.tokens
	token.symbol == symbol
}

price_of(symbol) := data.wasm.prices[symbol].usd

share(part, whole) := round((part * 10000) / whole)

matching contains vault.id if {
	some vault in data.params.vaults
	vault.operations[_] == operation
	vault.chain == input.chain_id
}

exposure[symbol] := total if {
	some symbol in known
	total := sum([value |
		some position in data.wasm.positions
		position.symbol == symbol
		value := position.amount * price_of(symbol)
	])
}

total_exposure := sum([value | some value in exposure])

deny contains "paused" if data.wasm.paused == true

deny contains "admin only" if {
	operation in {"pause", "upgrade", "setFee"}
	not is_admin(input.from)
}

deny contains message if {
	some position in data.wasm.positions
	not position.symbol in known
	message := sprintf("token %s is not known", [position.symbol])
}

deny contains message if {
	some symbol, value in exposure
	share(value, total_exposure) > data.params.max_share
	message := sprintf("%s is %d basis points of the vault", [symbol, share(value, total_exposure)])
}

deny contains "over the limit" if amount > limit_of("ETH")

deny contains "stale price" if {
	some symbol in known
	data.wasm.prices[symbol].age > data.params.max_age
}

deny contains "unsafe oracle" if not every_price_is_fresh

every_price_is_fresh if {
	every price in data.wasm.prices {
		price.age <= data.params.max_age
		price.usd > 0
	}
}

deny contains "recipient" if {
	operation == "withdraw"
	not lower(input.to) in {lower(one) | some one in data.params.recipients}
}
