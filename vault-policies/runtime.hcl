# The call pipeline, for one call: reads the values that the call injects. Asked for by nobody else, and never by a
# person. It writes nothing.

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
