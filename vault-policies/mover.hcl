# A rollback and a rewrap, inside the Vault client: read an old version, or move ciphertext to the newest key. What it
# reads is written back in a person's role and returned to nobody. And a write that got no answer: whether what lies
# there now is what it wrote.

path "@@KV@@/data/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/masked/+" {
  capabilities = ["read"]
}

path "@@KV@@/data/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/restricted/+" {
  capabilities = ["read"]
}

# The same in a workspace with the transit engine, where what lies in KV is ciphertext.
path "@@TRANSIT@@/decrypt/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.masked" {
  capabilities = ["update"]
}

path "@@TRANSIT@@/decrypt/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.restricted" {
  capabilities = ["update"]
}

# Ciphertext to the newest key version, without its plaintext leaving Vault.
path "@@TRANSIT@@/rewrap/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.masked" {
  capabilities = ["update"]
}

path "@@TRANSIT@@/rewrap/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.restricted" {
  capabilities = ["update"]
}
