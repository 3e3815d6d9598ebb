# The call pipeline in a workspace with the transit engine: decrypts the ciphertext that it read as runtime.

path "@@TRANSIT@@/decrypt/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.masked" {
  capabilities = ["update"]
}

path "@@TRANSIT@@/decrypt/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.restricted" {
  capabilities = ["update"]
}
