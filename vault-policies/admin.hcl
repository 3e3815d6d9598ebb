# An admin of a workspace: as the owner, without making and deleting the workspace's keys.
# No line of this file can read a restricted value.

# Masked values: write, look at, soft-delete. Restricted ones: the same without the look.
path "@@KV@@/data/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/masked/+" {
  capabilities = ["create", "update", "read", "delete"]
}

path "@@KV@@/data/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/restricted/+" {
  capabilities = ["create", "update", "delete"]
}

# What lies beside a value: its versions, the binding, how many versions are kept. Never a value.
path "@@KV@@/metadata/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/masked/" {
  capabilities = ["list"]
}

path "@@KV@@/metadata/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/masked/+" {
  capabilities = ["create", "update", "read", "delete"]
}

path "@@KV@@/metadata/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/restricted/" {
  capabilities = ["list"]
}

path "@@KV@@/metadata/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/restricted/+" {
  capabilities = ["create", "update", "read", "delete"]
}

# Old versions: bring a soft-deleted one back, or make one unreadable for good.
path "@@KV@@/undelete/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/masked/+" {
  capabilities = ["update"]
}

path "@@KV@@/undelete/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/restricted/+" {
  capabilities = ["update"]
}

path "@@KV@@/destroy/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/masked/+" {
  capabilities = ["update"]
}

path "@@KV@@/destroy/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/restricted/+" {
  capabilities = ["update"]
}

# Workspaces with the transit engine: what is written is encrypted here first. Without "create", a missing key is
# an error and not made on the side. Restricted ciphertext is decrypted for nobody who is a person.
path "@@TRANSIT@@/encrypt/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.masked" {
  capabilities = ["update"]
}

path "@@TRANSIT@@/encrypt/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.restricted" {
  capabilities = ["update"]
}

path "@@TRANSIT@@/decrypt/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.masked" {
  capabilities = ["update"]
}

# The workspace's two keys: read their versions, and rotate them.
path "@@TRANSIT@@/keys/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.masked" {
  capabilities = ["read"]
}

path "@@TRANSIT@@/keys/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.masked/rotate" {
  capabilities = ["update"]
}

path "@@TRANSIT@@/keys/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.restricted" {
  capabilities = ["read"]
}

path "@@TRANSIT@@/keys/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.restricted/rotate" {
  capabilities = ["update"]
}

# The tokens of an OAuth 2.0 secret go with it. Only the renewal reads and writes them.
path "@@KV@@/metadata/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/tokens/+" {
  capabilities = ["delete"]
}

# Signing keys: import one, wrapped by Vault's own public key, give it a further version, raise the minimum versions and
# delete it. No parameter here makes a key readable. The "*" covers what lies behind a key's name, too.
path "@@TRANSIT@@/wrapping_key" {
  capabilities = ["read"]
}

path "@@TRANSIT@@/keys/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.sign.*" {
  capabilities       = ["update", "read", "delete"]
  allowed_parameters = {
    "type"                   = ["hmac", "rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ed25519"]
    "hash_function"          = []
    "ciphertext"             = []
    "min_decryption_version" = []
    "min_encryption_version" = []
    "min_available_version"  = []
    "deletion_allowed"       = []
  }
}
