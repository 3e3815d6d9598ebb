# What `strongroom vault plan`, `apply`, `verify` and `export` need. Who holds it can write the policies above, and so
# owns the values in the end: give it for an hour, to a person. The service never holds it.

# The two secrets engines: see that they are there and how they are tuned, make them, and tune them as they should be.
path "sys/mounts" {
  capabilities = ["read"]
}

path "sys/mounts/@@KV@@" {
  capabilities = ["create", "update"]
}

path "sys/mounts/@@KV@@/tune" {
  capabilities = ["update"]
}

path "sys/mounts/@@TRANSIT@@" {
  capabilities = ["create", "update"]
}

path "sys/mounts/@@TRANSIT@@/tune" {
  capabilities = ["update"]
}

# Every write to KV names the version it replaces, and ten versions are kept.
path "@@KV@@/config" {
  capabilities = ["create", "update", "read"]
}

# The key that signs the record's checkpoints. It can't be made exportable, and not be deleted from here.
path "@@TRANSIT@@/keys/_record" {
  capabilities       = ["create", "update", "read"]
  allowed_parameters = {
    "type" = ["ed25519"]
  }
}

# The JWT mount. Vault wants sudo for whatever makes a way to log in.
path "sys/auth" {
  capabilities = ["read"]
}

path "sys/auth/@@JWT@@" {
  capabilities = ["create", "update", "sudo"]
}

path "sys/auth/@@JWT@@/tune" {
  capabilities = ["update", "sudo"]
}

# The public keys that a login is checked with, and the Vault roles.
path "auth/@@JWT@@/config" {
  capabilities = ["create", "update", "read"]
}

path "auth/@@JWT@@/role" {
  capabilities = ["list"]
}

path "auth/@@JWT@@/role/+" {
  capabilities = ["create", "update", "read", "delete"]
}

# Our own policies, and no others.
path "sys/policies/acl" {
  capabilities = ["list"]
}

path "sys/policies/acl/strongroom-*" {
  capabilities = ["create", "update", "read", "delete"]
}

# Whether Vault keeps a record of its own. Vault wants sudo for the look.
path "sys/audit" {
  capabilities = ["read", "sudo"]
}

# A command gives its token back.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
