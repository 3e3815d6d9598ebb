# The record: signs its checkpoints with the key "_record", and checks them. Nothing of a workspace.

path "@@TRANSIT@@/sign/_record" {
  capabilities = ["update"]
}

path "@@TRANSIT@@/verify/_record" {
  capabilities = ["update"]
}

# The public half, with which anybody checks a checkpoint without Vault. The private half can't be exported.
path "@@TRANSIT@@/keys/_record" {
  capabilities = ["read"]
}

# The newest checkpoint of each chain, so that a record that was cut back is found out.
path "@@KV@@/data/_record/+" {
  capabilities = ["create", "update", "read"]
}

path "@@KV@@/metadata/_record/" {
  capabilities = ["list"]
}
