# The call pipeline, for a secret whose key was imported: signs with it, and can do nothing else with it. The "*" covers
# what lies behind a key's name, too; the parameters are what bounds it: always a hash of the whole input, never a
# digest that somebody else made.

path "@@TRANSIT@@/hmac/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.sign.*" {
  capabilities        = ["update"]
  required_parameters = ["input", "algorithm", "key_version"]
  allowed_parameters  = {
    "input"       = []
    "algorithm"   = ["sha2-256", "sha2-512", "sha1"]
    "key_version" = []
  }
}

path "@@TRANSIT@@/sign/{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}.sign.*" {
  capabilities        = ["update"]
  required_parameters = ["input", "hash_algorithm", "signature_algorithm", "marshaling_algorithm", "key_version"]
  allowed_parameters  = {
    "input"                = []
    "hash_algorithm"       = ["sha2-256"]
    "signature_algorithm"  = ["pkcs1v15"]
    "marshaling_algorithm" = ["jws"]
    "key_version"          = []
  }
}
