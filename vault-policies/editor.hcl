# An editor of a workspace: looks at masked values, and that is all.

path "@@KV@@/data/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/masked/+" {
  capabilities = ["read"]
}

# The same in a workspace with the transit engine, where what lies in KV is ciphertext.
path "@@TRANSIT@@/decrypt/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.masked" {
  capabilities = ["update"]
}
