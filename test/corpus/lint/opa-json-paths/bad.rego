package guard

default allow := false

allow if count(deny) == 0

deny contains "more than a score" if json.remove(data.wasm, ["score/value"]) != {}

deny contains "to nobody" if input.to == ""
