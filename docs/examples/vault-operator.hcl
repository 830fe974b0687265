# Rights in Vault of whoever runs `pulumi up -s prod`, where `usdf:platform.vault` is set: `vault policy write usdf-prod-operator
# vault-operator.hcl`. Replace "prod" by the stack and "k8s/usdf-embargo-dmz" by each of `authMounts`.

# The policy and the role of each environment. Whoever may write policies can give themselves the rights of these, no others:
# the names are bound to the stack.
path "sys/policies/acl/usdf-prod-*" {
  capabilities = ["create", "read", "update", "delete"]
}

path "auth/k8s/usdf-embargo-dmz/role/usdf-prod-*" {
  capabilities = ["create", "read", "update", "delete"]
}

# The only values that the program itself reads: `notification` of environments that a topic of this stack feeds, which the
# topic must hand out as its opaqueData. Not needed without topics.
path "secret/data/rubin/usdf-embargo-dmz/+" {
  capabilities = ["read"]
}
