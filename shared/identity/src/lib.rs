//! Who is asking: EdDSA tokens, key sets with rotation, principals
