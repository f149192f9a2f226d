package guard

default allow := false

allow if count(deny) == 0

deny contains "the recipient is blocked" if lowercase(input.to) == "0xff"
