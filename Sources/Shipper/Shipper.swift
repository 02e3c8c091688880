// Shipper
