package varve_test

func clientAttacks() []attack { return nil }
func keyAttacks() []attack    { return nil }
