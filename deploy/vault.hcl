# HashiCorp Vault (or OpenBao) as docker-compose.yml starts it: integrated storage, TLS, no interface in the browser.
storage "raft" {
  path    = "/vault/file"
  node_id = "vault"
}

listener "tcp" {
  address         = "0.0.0.0:8200"
  cluster_address = "0.0.0.0:8201"
  tls_cert_file   = "/run/vault/vault.pem"
  tls_key_file    = "/run/vault/vault.key"
}

ui            = false
disable_mlock = true
