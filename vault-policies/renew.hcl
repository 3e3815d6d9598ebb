# The renewal of an OAuth 2.0 token: reads the client secret, and keeps what the provider gave, version by version.

path "@@KV@@/data/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/restricted/+" {
  capabilities = ["read"]
}

path "@@KV@@/data/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/tokens/+" {
  capabilities = ["create", "update", "read"]
}

# A token that was renewed leaves no older one behind.
path "@@KV@@/destroy/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/tokens/+" {
  capabilities = ["update"]
}
