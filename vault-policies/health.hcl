# Readiness: proves that the login works and that both mounts answer. Nothing of a workspace.

path "@@KV@@/config" {
  capabilities = ["read"]
}

path "@@TRANSIT@@/keys/_record" {
  capabilities = ["read"]
}
