//! Public keys and tokens from elsewhere: the vectors of RFC 7515 and RFC 8037, and tokens made by
//! PyJWT with the library `cryptography`.

pub(crate) const RSA: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsVa0Nt1hdNibT8KrwHUM\n\
EJ39nN7JYnwwNT0iGmH9Je1E35Ji1a4ghoTBI0hQ5VZGRVbsaA0yZYIs6C7OyKDv\n\
ECzHh/dncfhXPCWqwqLl7xRRxsje4y8yOw0d8zbF+UbUczujVR2bG59rWYYRT9vI\n\
gKW1wGaJQ0iR5R6Nkwc1PFhPpBldm8mc4Q8MLEfiXbSL5DwGFq94jZs1H4nLkqeJ\n\
mhiCgwVydB5kzSwtOw7VIkE1g2GXRwMyAdROLrvsINgmb9zTZ/qJQ3JS9qyrnQNk\n\
WCl8aQ9DaWkjuiFAJNdIpmZyxMOlvelimQiu5x0YH79rMQak1+/tRoYvY4NZdLyP\n\
AQIDAQAB\n\
-----END PUBLIC KEY-----\n";

pub(crate) const SMALL: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCijSdgiVFO8PWxE9SBmBNsm3s4\n\
e25sCz0qxR8B/Gu9kyN8yOqc/8UxMYkU3PjJ46dz434b1l88lsic8Zn65mYHdA/b\n\
eiTshS6Ah2sgCBu5+LJ0kAizDw3ihtIHARY0K/ZkZV90IXc7wh5ETW/FCg1mFPzU\n\
cwpogJwLTaaHSdKUOwIDAQAB\n\
-----END PUBLIC KEY-----\n";

pub(crate) const P256: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQjnGov0ClOImG5lfYF9UWxfPqTxk\n\
bPx9vtHJoT9Ug0XcD7jcI7dmITiUA+9QzJlfc19L4ZEo4HQOWtaD222MWQ==\n\
-----END PUBLIC KEY-----\n";

pub(crate) const P384: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE+zU4piE6UMDneE50R3VCzfZCz4FoO1Rj\n\
XjzxTrJ5YtLpI9F1UAVd7yeeLKuuBWOzrdBfK8I3DuwHZgVugGcomSOyJ3906t1L\n\
uVuMoXClXe0L8DMZa40dD9+ndiloCxXE\n\
-----END PUBLIC KEY-----\n";

pub(crate) const P521: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAhswstl9A1XuLR0ueOcF0FDnRJHeH\n\
c4dLx55/op4+mGFlehsnHUhl9El4hsqwg99a4KgUeuZJsLp8msWht2IdRz4Ar+bS\n\
uikQ6F5CZRsviwti5LMEX4db8IZeswF/E9YRHXdfN4aTiPPZfuqIEMRcuC6WsDbB\n\
flZ2lfOFA8k3dokqHeI=\n\
-----END PUBLIC KEY-----\n";

pub(crate) const K1: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEA83gMX5dx1mS85RhegvKIeQAHcTBqiol\n\
c0rEOhPlb9BMpvcGirnlH2zgYkazmCdjKZguPa/vuD+V2AtAS5V1YQ==\n\
-----END PUBLIC KEY-----\n";

pub(crate) const ED: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEARFEsCPD2bHRCp0xeRIwhD84yG5QgcodbAXdxefh+lSw=\n\
-----END PUBLIC KEY-----\n";

/// Name of the vector, public key and token.
pub(crate) const VECTORS: &[(&str, &str, &str)] = &[
    (
        "rfc7515-a2",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj\nNiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz\nP1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo\n9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB\nEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX\nFvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp\noQIDAQAB\n-----END PUBLIC KEY-----",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ),
    (
        "rfc7515-a3",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n-----END PUBLIC KEY-----",
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
    (
        "rfc7515-a4",
        "-----BEGIN PUBLIC KEY-----\nMIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQB6SkFDxJPxrxVx9U5M2Xfne9KsMIs\nsleY+TTrBOPGuuNwGlenkQ6dgb82MVno68sVXWNJ9L22zPipTFxZx6rBAaQANKZE\nDjdnUNI3H9G9wsjztx0vTuXqNDLIFcyjFWD+XZOH7HdLVYOGMOXLv1qMvgqR3QBk\nxpmaH25uZ/rd7eTIyPY=\n-----END PUBLIC KEY-----",
        "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
    ),
    (
        "rfc8037-a4",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----",
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
];

/// Algorithm, public key and token: of the user 42, whose info is `{"name":"Ann"}`.
pub(crate) const TOKENS: &[(&str, &str, &str)] = &[
    (
        "RS256",
        RSA,
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.SVr4N_YeqL9Ggl2IPlMVti3So6aYDjg01k5XZnHDH9orOQ5wjL21VmVzARXw7hw0ZHm7OGjPq6ZkCP7w3fMmQQ1saOPuxim80-_P0suxgjJIRQwgLVh6uYSI3NttsgP5V3zours0GnvPfc9kC0Fck4yCtuO4kznVZyaxbO7y7A86jmF38jaa8Kk4rvBd9SdOMpr4w2ZYxrPkBOi5-wl6dEqXW16rpuhdzVwm5izyypi0uvXdHJK4WsBbT-0ckjRgsxDd4usDnWIqTwpGGN2aalS-cgOTsSJnxRjIM6cESs1dEhpAF1LWu19pVdsPBdvM4oi7U9pMyoXnQWauvpWKMQ",
    ),
    (
        "RS384",
        RSA,
        "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.bSDO7ZuPk2dBOyMXhdZ-xPK0mcpERDSIQpuveWzLTPOE2BnS_PAFQoR3XwYKqwWf2xzeIE7GBlipl6mKf6QoHQ1AzC6TCte-aA0cXs__A5AOnj2r4D6u_yR7Kr2SdgekDkhV29GnL-9DjG5-ldVBDFLz0N73raJ7dxYPTKdljvsOj4j8Z3vp8BsjwuUXLRiF9-rMsBPsI9nsfhQkpFiARQb-8Ohh58MMPiNs0CMAt4T6SMKbrStZZgXhvVFPK5rf-oophY_SdKBNnKLW4OgWPhB7VaklNBg1MyWchxWW54O-3EdLJUO8DX_fSqkWNhkdYzRPzezwBem1a4AnXdqeEA",
    ),
    (
        "RS512",
        RSA,
        "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.WnuTD96O4OO5-lMqGUxr-YRck4ltBW76Rt99hgog5vlOz-Fq_cbhosxxf4ktr-yzlsfH_QO7dqQeEc0jcd87TIF-4QEtwEYe_t-l9NNyZbON5mz8WFUWJkx_K_rirWKJMbSzd-5WGSmpNy0kFZeotpB0Z7SLL70ETqxtAKeGE5vsgymFM-MWjXy35WvgFgc4ejNJeo08ZWUw45hSNNwBfcCI2IlF5Y_xziIPYrRx06BinuO4FgS0cWIrpCSUu18cUF8cazMfScAqbEZIHaDBXI8aZTOKX2Nm_OVoybuogeoJeJymtFcH2YwHcAyqDefXWcbx8PXPlfReLWoLpDeySA",
    ),
    (
        "PS256",
        RSA,
        "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.a6aCz4ruQTrYfTmN2g-dkzxxJ-ENtsWPhG3TK4r6BtuxvuLthzSimY78PljZnN9jmXzg77dkrLx75mpMpwBEKwY9mS9h0O2gT0QmJls8j_nCyzIaZyF48MO8WH1S6i0g8cHrw0pQrygNouFRzn3r-PDsq_s1IfUSSvSdVcV4Ii3gLsA5gPoJOXsoht6A2GNJy3E_V5zr8Eha7VQtugbXos9zrlhgH0X0JrdsAeTlP1SyRgd4b_Gunu0mQzu8gusYIQM4gpJHhwtMhV6KUZn64QxR3mlMOPi5viush3f0aSfuuLTPpCw4Vbqpfr_2f3jBV-JAZD3bOIc3FNHwpyH6aw",
    ),
    (
        "ES256",
        P256,
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.aOhxIRJmRpYPtx5c60QNMu06nq-H8Gy84KqM0CFDRBGDoyIr_Di-G8fZoVK7ATbE6QcRF032-UMWfaAcifCNig",
    ),
    (
        "ES384",
        P384,
        "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.mrff3ai1n9JzXazNvKuCCvmhLSJNToy3AG34ikLCZv8T7k6ClExztTP5B_dRn8w-1IA-BB4EYnarGK1jWcPV-w-DiGjqrKYED7ROyJEUceJHlx9fo7DXbHBNMrmMhJ__",
    ),
    (
        "ES512",
        P521,
        "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.AbEumgg21eWii9ieU84hf3NMEI0-AjZmnQGT1l0t-vv5DR2FtbH4zb5u5yn_qznmLXqlp85nSbEbSIky5_uyHJqQAKNBihitw2EeB6WxWCMd0EI3NmkKZbTnnNN4vHtjJEyXY4-cIQjfY1PHZYUE6QatZH5rpgz6OWfseB81ZQ0AmNzJ",
    ),
    (
        "EdDSA",
        ED,
        "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImluZm8iOnsibmFtZSI6IkFubiJ9fQ.ebx9rAOnicpX2G2yNbjgSpGD2MVxVA5YG4nCQqYiYCD3XGPQnKgIDFOxmVut4cyeJxvfgYpfqOl8SzQU_110Aw",
    ),
];
