# The call pipeline, for one call: reads what the call injects. Asked for by nobody else, and never by a person. It
# writes nothing. One block, since Vault renders every templated block anew for every request; so under a workspace lie
# only folders that the pipeline may read.

path "@@KV@@/data/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}/+/+" {
  capabilities = ["read"]
}
