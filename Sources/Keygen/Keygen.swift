// Keygen
